# make              build everything into build/release/
# make check        build with sanitizers, run all tests
# make check-long   the tests that take long: check-tsan, then tests/long/
# make check-tsan   unit tests, and CLI tests tagged tsan, under clang's TSan
# make fuzz         each target of tests/fuzz/ under libFuzzer, SECONDS=60
# make lint         format, order, shell and man-page checks
# make bench        measure the kernels, JSON Lines on stdout
# make demo         examples/demo: a small model, from images to scores
# make install      PREFIX=/usr/local DESTDIR=
# make deps         install the Debian packages that are missing (as root)
# make clean        remove build/
# make help         print this
#
# Switches: MODE=release|debug|tsan|fuzz  CUDA=0|1  CUDA_ARCH="80 90"
# CC CFLAGS CPPFLAGS LDFLAGS LDLIBS are yours; ours are in ALL_*.
# V=1 shows the command lines.

MODE      ?= release
CUDA      ?= 0
CUDA_ARCH ?= 80 90
NVCC      ?= nvcc
JOBS      ?= $(shell nproc)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCDIR     ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
LIBEXECDIR ?= $(PREFIX)/libexec/medvl
PLUGINDIR  ?= $(LIBDIR)/medvl

VERSION := $(shell sed -n 's/.*MEDVL_VERSION *"\(.*\)"/\1/p' lib/base/status.h)
SONAME  := 0

# ---- flags -----------------------------------------------------------------

ifeq ($(origin CC),default)
CC := $(if $(filter tsan fuzz,$(MODE)),clang,gcc)
endif
ifeq ($(origin CXX),default)
CXX := $(if $(filter tsan fuzz,$(MODE)),clang++,g++)
endif

CFLAGS_release := -O3 -g
CFLAGS_debug   := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=address,undefined,float-cast-overflow
CFLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer \
	-fsanitize=address,undefined,fuzzer-no-link
CFLAGS         ?= $(CFLAGS_$(MODE))
ifeq ($(CFLAGS_$(MODE)),)
$(error MODE is release, debug, tsan or fuzz, not "$(MODE)")
endif
SANITIZE := $(filter -fsanitize%,$(CFLAGS_$(MODE)))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wwrite-strings $(if $(CI),-Werror) \
	$(if $(findstring clang,$(CC)),-Wno-pass-failed)
ALL_CFLAGS   = -std=c11 -fPIC -pthread -ffp-contract=off -fopenmp-simd \
	$(WARNINGS) $(SANITIZE) $(CFLAGS)
ALL_CXXFLAGS = -std=c++17 -fPIC -pthread -Wall -Wextra \
	$(if $(CI),-Werror) $(SANITIZE) $(CFLAGS)
# gcc says in macros which sanitizer is on; clang 14 does not.
SANITIZED_tsan := -D__SANITIZE_THREAD__=1
SANITIZED_fuzz := -D__SANITIZE_ADDRESS__=1
ALL_CPPFLAGS = -D_GNU_SOURCE -I. $(SANITIZED_$(MODE)) $(DEPS_CPPFLAGS) \
	$(CPPFLAGS)
ALL_LDFLAGS  = -pthread -Wl,--as-needed $(SANITIZE) $(LDFLAGS)

# ---- what there is to build: lists from folders ----------------------------

B := build/$(MODE)$(if $(filter 1,$(CUDA)),-cuda)

sources = $(foreach d,$(1),$(wildcard $(d)/*.c))
LIB_SRC := $(call sources,$(addprefix lib/,base image text data eval build \
	stage))
NN_SRC  := $(call sources,kernels $(addprefix lib/,tensor model train run))
CU_SRC  := $(if $(filter 1,$(CUDA)),$(wildcard kernels/*.cu))
CLI_SRC := $(filter-out $(wildcard cmd/medvl*.c cmd/decode*.c),$(wildcard cmd/*.c))
DECODE  := $(patsubst cmd/%.c,$B/libexec/%,$(wildcard cmd/medvl-decode.c))
CMD     := $(patsubst cmd/%.c,%,$(filter-out cmd/medvl-decode.c,$(wildcard \
	cmd/medvl*.c)))
UNIT    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH   := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
# The public headers: the modules that lib/README.md lists.
HEADERS := $(wildcard $(shell sed -nE \
	-e 's,^[0-9]+\. (kernels/[a-z0-9_]+):.*,\1.h,p;t' \
	-e 's,^[0-9]+\. ([a-z]+/[a-z0-9_]+):.*,lib/\1.h,p' lib/README.md))
PAGES   := $(wildcard man/*.[1-8])

# A main that includes a header of these layers is linked to libmedvl-nn.
NN_USERS := $(shell grep -lE '"(kernels|lib/(tensor|model|train|run))/' \
	cmd/*.c tests/*/*.c 2>/dev/null)
# A target of medvl-decode's readers is linked to them.
DECODE_USERS := $(shell grep -l fuzz_reader.h tests/fuzz/*.c 2>/dev/null)

object = $(patsubst %,$B/%.o,$(1))
LIB_OBJ := $(call object,$(LIB_SRC))
NN_OBJ  := $(call object,$(NN_SRC))
CLI_OBJ := $(call object,$(CLI_SRC))
DECODE_OBJ := $(call object,$(wildcard cmd/decode*.c cmd/decode*.cc))
CU_OBJ  := $(call object,$(CU_SRC))
LIB     := $B/lib/libmedvl.so
NN      := $B/lib/libmedvl-nn.so
FUZZ_MAIN := $(if $(filter-out fuzz,$(MODE)),$(call object,$(wildcard \
	tests/fuzz/driver.c)))
PLUGIN  := $(if $(CU_SRC),$B/lib/medvl/libmedvl-cuda.so)
BIN     := $(addprefix $B/bin/,$(CMD))

all: libs $(BIN) $(DECODE)
libs: $(LIB) $(NN) $(LIB:.so=.a) $(NN:.so=.a) $(PLUGIN)
tests: all $(addprefix $B/unit/,$(UNIT)) $(addprefix $B/fuzz/,$(FUZZ))

# ---- packages --------------------------------------------------------------

LIB_PKG  := libcjson libpng libjpeg libzstd libxxhash libutf8proc libpcre2-8 \
	libsodium libdeflate
NN_PKG   := openblas
DEPS_MAKE := gcc libc6-dev make pkg-config libcjson-dev libpng-dev \
	libjpeg-dev libzstd-dev libxxhash-dev libutf8proc-dev libpcre2-dev \
	libopenblas-dev libnifti-dev zlib1g-dev g++ libdcmtk-dev \
	libopenjp2-7-dev libcharls-dev libsodium-dev libtiff-dev libwebp-dev \
	libdeflate-dev
DEPS_CHECK := libcmocka-dev bats jq zstd mandoc groff-base man-db mricron-data
DEPS_LINT  := clang-format shellcheck universal-ctags
DEPS_LONG  := clang libclang-rt-dev time

# Which packages this run needs: a build, and what its goals add.
NEED := $(DEPS_MAKE) \
	$(if $(filter check% deps demo lint,$(MAKECMDGOALS)),$(DEPS_CHECK)) \
	$(if $(filter check-long deps lint,$(MAKECMDGOALS)),$(DEPS_LINT)) \
	$(if $(filter check-long check-tsan fuzz deps,$(MAKECMDGOALS)),$(DEPS_LONG))
MISSING := $(if $(filter-out clean help,$(or $(MAKECMDGOALS),all)),$(if \
	$(shell command -v dpkg-query),$(filter-out $(shell dpkg-query -W \
	-f '$${db:Status-Status}:$${Package}\n' $(NEED) 2>/dev/null | \
	sed -n 's/^installed://p'),$(NEED))))

ifneq ($(strip $(MISSING)),)
ROOT := $(filter 0,$(shell id -u))
ifeq ($(ROOT)$(CI)$(filter deps,$(MAKECMDGOALS)),)
$(error these Debian packages are missing: $(MISSING) - run: sudo make deps)
endif
$(info installing: $(MISSING))
APT := $(if $(ROOT),,sudo) env DEBIAN_FRONTEND=noninteractive apt-get -qq
APT_LOG := $(shell { $(APT) update && $(APT) install -y \
	--no-install-recommends $(MISSING); } >&2 </dev/null || echo failed)
$(if $(APT_LOG),$(error the packages could not be installed))
endif

ifneq ($(filter-out clean help deps,$(or $(MAKECMDGOALS),all)),)
DEPS_CPPFLAGS := $(shell pkg-config --cflags $(LIB_PKG) $(NN_PKG) libopenjp2)
LIB_LIBS := $(shell pkg-config --libs $(LIB_PKG)) -ldl -lm
NN_LIBS  := $(shell pkg-config --libs $(NN_PKG)) -lm
endif
DECODE_LIBS := -lniftiio -lznz -ldcmjpeg -ldcmdata -loflog -lofstd -lcharls \
	-lopenjp2 -ltiff -lwebpdemux -lwebp -lz

# ---- rules -----------------------------------------------------------------

# $(call say,WORD) is a short line in place of the command, or with V=1 the
# command.
say = $(if $(V),,@echo "$(1) $(if $(filter cc nvcc,$(1)),$<,$@)";)

$B/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Square roots and choices vectorise only without errno and traps; no value
# changes by it.
$B/%_avx2.c.o: ALL_CFLAGS += -mavx2 -mfma -mf16c -fno-math-errno \
	-fno-trapping-math
$B/cmd/decode_nifti.c.o: ALL_CPPFLAGS += -isystem /usr/include/nifti

# DCMTK's headers: the only C++ of the tree includes them.
$B/%.cc.o: %.cc Makefile
	@mkdir -p $(@D)
	$(call say,cc)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

$B/%.cu.o: %.cu Makefile
	@mkdir -p $(@D)
	$(call say,nvcc)$(NVCC) -O3 -lineinfo -std=c++17 -I. \
		-Xcompiler -fPIC,-Wall -MMD -MP \
		$(foreach a,$(CUDA_ARCH),-gencode arch=compute_$a,code=sm_$a) \
		-c -o $@ $<

%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,ar)$(AR) rcs $@ $^
$(LIB:.so=.a): $(LIB_OBJ)
$(NN:.so=.a): $(NN_OBJ)

# The file carries its soname; the name without a number is for the linker.
%.so:
	@mkdir -p $(@D)
	$(call say,ld)$(CC) $(CFLAGS) $(ALL_LDFLAGS) -shared \
		-Wl,-soname,$(@F).$(SONAME) -o $@.$(SONAME) $(filter %.o,$^) $(SO_LIBS) $(LDLIBS)
	@ln -sf $(@F).$(SONAME) $@
$(LIB): $(LIB_OBJ)
$(LIB): SO_LIBS = $(LIB_LIBS)
$(NN): $(NN_OBJ) $(LIB)
$(NN): SO_LIBS = '-Wl,-rpath,$$ORIGIN' -L$B/lib -lmedvl $(NN_LIBS)

$B/lib/medvl/libmedvl-cuda.so: $(CU_OBJ)
	@mkdir -p $(@D)
	$(call say,ld)$(NVCC) -shared -o $@ $^ -lcublasLt

# Commands find the shared libraries beside them.  Tests take from the
# archives what they need, and no more.
link = $(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^)
nn   = $(if $(filter $(1),$(NN_USERS)),$(2))
decode = $(if $(filter $(1),$(DECODE_USERS)),$(2))

.SECONDEXPANSION:
$B/bin/%: $B/cmd/%.c.o $(CLI_OBJ) $$(call nn,cmd/$$*.c,$(NN)) $(LIB)
	@mkdir -p $(@D)
	$(call say,ld)$(link) '-Wl,-rpath,$$ORIGIN/../lib' -L$B/lib \
		$(patsubst $B/lib/lib%.so,-l%,$(filter %.so,$^)) -lm $(LDLIBS)
$B/libexec/%: $B/cmd/%.c.o $(DECODE_OBJ) $(LIB:.so=.a)
	@mkdir -p $(@D)
	$(call say,ld)$(CXX) $(CFLAGS) $(ALL_LDFLAGS) -o $@ \
		$(filter %.o %.a,$^) $(DECODE_LIBS) $(LIB_LIBS) $(LDLIBS)

ALL_LIBS = $(NN_LIBS) $(LIB_LIBS) $(LDLIBS)
$B/unit/%: $B/tests/unit/%.c.o $$(call nn,tests/unit/$$*.c,$(NN:.so=.a)) \
		$(LIB:.so=.a)
	@mkdir -p $(@D)
	$(call say,ld)$(link) -lcmocka $(ALL_LIBS)
$B/fuzz/%: $B/tests/fuzz/%.c.o $(FUZZ_MAIN) \
		$$(call decode,tests/fuzz/$$*.c,$(DECODE_OBJ)) \
		$$(call nn,tests/fuzz/$$*.c,$(NN:.so=.a)) $(LIB:.so=.a)
	@mkdir -p $(@D)
	$(call say,ld)$(if $(call decode,tests/fuzz/$*.c,1),$(CXX),$(CC)) \
		$(CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o %.a,$^) \
		$(if $(FUZZ_MAIN),,-fsanitize=fuzzer) \
		$(call decode,tests/fuzz/$*.c,$(DECODE_LIBS)) $(ALL_LIBS)
$B/bench/%: $B/tests/bench/%.c.o \
		$$(call nn,tests/bench/$$*.c,$(NN:.so=.a)) $(LIB:.so=.a)
	@mkdir -p $(@D)
	$(call say,ld)$(link) $(ALL_LIBS)

# Files that name an installation folder are built again when it changes.
PATHS     := -DMEDVL_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-DMEDVL_PLUGINDIR='"$(PLUGINDIR)"'
PATHS_OBJ := $(call object,$(shell grep -lE 'MEDVL_(LIBEXEC|PLUGIN)DIR' \
	$(LIB_SRC) $(NN_SRC) $(CLI_SRC) /dev/null))
$(PATHS_OBJ): ALL_CPPFLAGS += $(PATHS)
$(PATHS_OBJ): $B/paths
$B/paths: FORCE
	@mkdir -p $(@D)
	@echo "$(LIBEXECDIR) $(PLUGINDIR)" | cmp -s - $@ || \
		echo "$(LIBEXECDIR) $(PLUGINDIR)" >$@

# ---- tests -----------------------------------------------------------------

# The sanitized tree runs the tests; a few of them need the fast one beside it.
check:
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=release all
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=debug tests
	@tests/run.sh build/debug

check-tsan:
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=tsan tests
	@tests/run.sh --tags tsan build/tsan

check-long: check-tsan
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=release all
	@tests/run.sh --long build/release

SECONDS ?= 60
fuzz:
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=fuzz $(FUZZ:%=build/fuzz/fuzz/%)
	@for f in $(FUZZ); do \
		mkdir -p build/fuzz/corpus/$$f && \
		build/fuzz/fuzz/$$f -max_total_time=$(SECONDS) \
			build/fuzz/corpus/$$f tests/fuzz/corpus/$$f || exit 1; \
	done

lint: libs
	@tests/lint.sh

bench: all $(addprefix $B/bench/,$(BENCH))
	@for b in $(addprefix $B/bench/,$(BENCH)); do $$b || exit 1; done

demo: all
	@PATH="$(CURDIR)/$B/bin:$$PATH" examples/demo/run.sh

# ---- installation ----------------------------------------------------------

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(LIBEXECDIR)
	$(if $(BIN),install -m 755 $(BIN) $(DESTDIR)$(BINDIR))
	$(if $(DECODE),install -m 755 $(DECODE) $(DESTDIR)$(LIBEXECDIR))
	for l in medvl medvl-nn; do \
		install -m 644 $B/lib/lib$$l.a $(DESTDIR)$(LIBDIR) && \
		install -m 755 $B/lib/lib$$l.so.$(SONAME) $(DESTDIR)$(LIBDIR) && \
		ln -sf lib$$l.so.$(SONAME) $(DESTDIR)$(LIBDIR)/lib$$l.so && \
		sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|' \
		    -e 's|@INCDIR@|$(INCDIR)|; s|@VERSION@|$(VERSION)|' $$l.pc.in \
		    >$(DESTDIR)$(LIBDIR)/pkgconfig/$$l.pc || exit 1; \
	done
	$(if $(PLUGIN),install -D -m 755 -t $(DESTDIR)$(PLUGINDIR) $(PLUGIN))
	for h in $(HEADERS); do \
		to=$(DESTDIR)$(INCDIR)/medvl/$${h#lib/} && \
		install -d $${to%/*} && \
		sed -E 's,"(lib/|(kernels/))(.*\.h)",<medvl/\2\3>,' $$h >$$to || exit 1; \
	done
	for p in $(PAGES); do \
		install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$${p##*.} $$p || exit 1; \
	done

deps:
	@echo "all packages are installed"

clean:
	rm -rf build

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all libs tests check check-tsan check-long fuzz lint bench demo \
	install deps clean help FORCE

ifneq ($(filter-out clean help deps,$(or $(MAKECMDGOALS),all)),)
-include $(patsubst %.o,%.d,$(LIB_OBJ) $(NN_OBJ) $(CLI_OBJ) $(CU_OBJ) \
	$(call object,$(wildcard cmd/medvl*.c tests/unit/*.c tests/fuzz/*.c \
	tests/bench/*.c)))
endif
