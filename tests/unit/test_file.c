/* Files and folders.  The module is lib/base/file.h. */
#include "tests/unit/check.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_file_is_written_whole_and_read_back(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    char *path = check_temp("whole"), *temp = check_temp("whole.tmp");
    int64_t size;

    (void)state;
    CHECK_OK(medvl_file_write(path, "old", 3, &err), &err);
    CHECK_OK(medvl_file_write(path, "a\0b", 3, &err), &err);
    assert_false(medvl_file_exists(temp));
    CHECK_OK(medvl_text_puts(&text, ">", &err), &err);
    CHECK_OK(medvl_file_read(&text, path, 3, &err), &err);
    assert_int_equal(text.size, 4);
    assert_memory_equal(text.data, ">a\0b", 5);
    CHECK_OK(medvl_file_size(&size, path, &err), &err);
    assert_int_equal(size, 3);
    medvl_text_release(&text);
    medvl_free(path);
    medvl_free(temp);
}

static void a_file_larger_than_allowed_is_refused_unread(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    char *path = check_temp("large");
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)1 << 40), 0);
    fclose(file);
    CHECK_OK(medvl_text_puts(&text, "kept", &err), &err);
    CHECK_FAILS(medvl_file_read(&text, path, 1 << 20, &err), MEDVL_EARG, &err,
                "1099511627776 bytes");
    CHECK_FAILS(medvl_file_read(&text, "/dev/zero", 1 << 20, &err),
                MEDVL_EARG, &err, "more than 1048576");
    assert_string_equal(text.data, "kept");
    medvl_text_release(&text);
    medvl_free(path);
}

static void what_cannot_be_read_or_written_is_named(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    struct medvl_mapping map;
    int64_t size;

    (void)state;
    CHECK_FAILS(medvl_file_read(&text, "/no/such", 10, &err), MEDVL_EIO, &err,
                "/no/such: No such file");
    CHECK_FAILS(medvl_file_read(&text, "/", 10, &err), MEDVL_EIO, &err, "/: ");
    CHECK_FAILS(medvl_file_write("/no/such", "x", 1, &err), MEDVL_EOUTPUT,
                &err, "/no/such.tmp");
    CHECK_FAILS(medvl_mapping_open(&map, "/", &err), MEDVL_EIO, &err,
                "regular");
    CHECK_FAILS(medvl_file_size(&size, "/", &err), MEDVL_EIO, &err, "regular");
    medvl_text_release(&text);
}

/* A pipe without a writer, were it opened to wait, would never answer. */
static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    char *pipe = check_temp("pipe"), *to = check_temp("copied");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *const paths[] = {pipe, name.sun_path, "/dev/zero", "/"};
    const int end = socket(AF_UNIX, SOCK_STREAM, 0);
    char *socket_path = check_temp("socket");
    struct medvl_mapping map;

    (void)state;
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_true(strlen(socket_path) < sizeof(name.sun_path));
    strncpy(name.sun_path, socket_path, sizeof(name.sun_path) - 1);
    assert_int_equal(bind(end, (struct sockaddr *)&name, sizeof(name)), 0);
    alarm(20);
    for (int i = 0; i < 4; i++) {
        CHECK_FAILS(medvl_file_read_regular(&text, paths[i], 9, &err),
                    MEDVL_EIO, &err, "not a regular file");
        CHECK_FAILS(medvl_mapping_open(&map, paths[i], &err), MEDVL_EIO, &err,
                    "not a regular file");
        CHECK_FAILS(medvl_file_copy(to, paths[i], &err), MEDVL_EIO, &err,
                    "not a regular file");
    }
    alarm(0);
    assert_null(text.data);
    close(end);
    medvl_free(socket_path);
    medvl_free(pipe);
    medvl_free(to);
}

/* What a command is given by name may be a pipe: a key, a template. */
static void a_pipe_is_read_to_its_end(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    char name[32];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "key", 3), 3);
    close(ends[1]);
    snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
    CHECK_OK(medvl_file_read(&text, name, 9, &err), &err);
    assert_string_equal(text.data, "key");
    close(ends[0]);
    medvl_text_release(&text);
}

static void a_full_disk_is_an_error_and_a_device_stays_one(void **state)
{
    struct medvl_error err = {0};
    struct stat st;

    (void)state;
    CHECK_FAILS(medvl_file_write("/dev/full", "x", 1, &err), MEDVL_EOUTPUT,
                &err, "No space");
    CHECK_OK(medvl_file_write("/dev/null", "x", 1, &err), &err);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void a_copy_is_whole_or_absent(void **state)
{
    struct medvl_text bytes = {0}, back = {0};
    struct medvl_error err = {0};
    char *from = check_temp("from"), *to = check_temp("to");
    char *temp = check_temp("to.tmp");

    (void)state;
    for (int i = 0; i < 100000; i++)
        CHECK_OK(medvl_text_printf(&bytes, &err, "%d,", i), &err);
    CHECK_OK(medvl_file_write(from, bytes.data, bytes.size, &err), &err);
    CHECK_OK(medvl_file_write(to, "old", 3, &err), &err);
    CHECK_OK(medvl_file_copy(to, from, &err), &err);
    CHECK_OK(medvl_file_read(&back, to, 1 << 20, &err), &err);
    assert_int_equal(back.size, bytes.size);
    assert_memory_equal(back.data, bytes.data, back.size);
    CHECK_FAILS(medvl_file_copy(to, "/no/such", &err), MEDVL_EIO, &err,
                "/no/such: No such file");
    CHECK_FAILS(medvl_file_copy(to, "/", &err), MEDVL_EIO, &err, "/: not a");
    CHECK_FAILS(medvl_file_copy("/no/such", from, &err), MEDVL_EOUTPUT, &err,
                "/no/such.tmp: No such");
    medvl_text_clear(&back);
    CHECK_OK(medvl_file_read(&back, to, 1 << 20, &err), &err);
    assert_int_equal(back.size, bytes.size);
    assert_false(medvl_file_exists(temp));
    medvl_text_release(&bytes);
    medvl_text_release(&back);
    medvl_free(from);
    medvl_free(to);
    medvl_free(temp);
}

static void one_file_is_known_by_all_its_names(void **state)
{
    struct medvl_file_id one, two;
    struct medvl_error err = {0};
    char *folder = check_temp("same"), *a = check_temp("same/a");
    char *dotted = check_temp("same/../same/./a"), *b = check_temp("same/b");
    char *other = check_temp("same/c");

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    assert_true(medvl_path_same(a, dotted)); /* neither is there */
    assert_false(medvl_path_same(a, b));
    assert_true(medvl_path_same("x", "./x"));
    assert_false(medvl_path_same("/no/such/a", "/no/such/a"));
    CHECK_OK(medvl_file_write(a, "x", 1, &err), &err);
    assert_int_equal(link(a, b), 0);
    assert_int_equal(symlink("b", other), 0);
    assert_true(medvl_path_same(a, b) && medvl_path_same(a, other));
    assert_false(medvl_path_same("/dev/null", "/dev/null"));
    CHECK_OK(medvl_file_identify(&one, a, &err), &err);
    CHECK_OK(medvl_file_identify(&two, other, &err), &err);
    assert_memory_equal(&one, &two, sizeof(one));
    CHECK_OK(medvl_file_identify(&two, folder, &err), &err);
    assert_memory_not_equal(&one, &two, sizeof(one));
    CHECK_FAILS(medvl_file_identify(&one, "/no/such", &err), MEDVL_EIO, &err,
                "/no/such: No such");
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
    medvl_free(a);
    medvl_free(b);
    medvl_free(dotted);
    medvl_free(other);
}

static void a_map_shows_the_bytes_and_an_empty_file_none(void **state)
{
    struct medvl_error err = {0};
    struct medvl_mapping map;
    char *path = check_temp("mapped");

    (void)state;
    CHECK_OK(medvl_file_write(path, "abc", 3, &err), &err);
    CHECK_OK(medvl_mapping_open(&map, path, &err), &err);
    assert_int_equal(map.size, 3);
    assert_memory_equal(map.data, "abc", 3);
    medvl_mapping_release(&map);
    CHECK_OK(medvl_file_write(path, "", 0, &err), &err);
    CHECK_OK(medvl_mapping_open(&map, path, &err), &err);
    assert_null(map.data);
    medvl_mapping_release(&map);
    medvl_free(path);
}

static void a_folder_of_ones_own_is_no_one_elses(void **state)
{
    struct medvl_error err = {0};
    char *path = check_temp("o/p/new//"), *stem = check_temp("o/p/new.tmp-");
    char *file = check_temp("o/file"), *in = check_temp("o/file/no");
    char *top = check_temp("o"), *one, *other;

    (void)state;
    CHECK_OK(medvl_folder_make_own(&one, path, ".tmp", &err), &err);
    CHECK_OK(medvl_folder_make_own(&other, path, ".tmp", &err), &err);
    assert_int_equal(strncmp(one, stem, strlen(stem)), 0);
    assert_int_equal(strncmp(other, stem, strlen(stem)), 0);
    assert_string_not_equal(one, other);
    assert_true(medvl_folder_exists(one) && medvl_folder_exists(other));
    medvl_free(one);
    CHECK_OK(medvl_file_write(file, "x", 1, &err), &err);
    CHECK_FAILS(medvl_folder_make_own(&one, in, ".tmp", &err), MEDVL_EOUTPUT,
                &err, "o/file");
    assert_null(one);
    CHECK_OK(medvl_path_remove(top, &err), &err);
    medvl_free(other);
    medvl_free(path);
    medvl_free(stem);
    medvl_free(file);
    medvl_free(in);
    medvl_free(top);
}

static void folders_are_made_listed_published_and_removed(void **state)
{
    struct medvl_error err = {0};
    struct medvl_names names;
    char *deep = check_temp("f.tmp/x/y"), *from = check_temp("f.tmp");
    char *to = check_temp("f"), *b = check_temp("f.tmp/b");
    char *a = check_temp("f.tmp/a"), *in = check_temp("f.tmp/a/no");

    (void)state;
    CHECK_OK(medvl_folder_make(deep, &err), &err);
    CHECK_OK(medvl_folder_make(deep, &err), &err);
    CHECK_OK(medvl_file_write(b, "b", 1, &err), &err);
    CHECK_OK(medvl_file_write(a, "a", 1, &err), &err);
    CHECK_FAILS(medvl_folder_make(in, &err), MEDVL_EOUTPUT, &err, "f.tmp/a");
    assert_int_equal(symlink("/nowhere", in), -1);
    CHECK_OK(medvl_link_replace("/nowhere", b, &err), &err);
    CHECK_OK(medvl_path_publish(from, to, &err), &err);
    assert_false(medvl_folder_exists(from));
    CHECK_OK(medvl_folder_list(&names, to, &err), &err);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[1], "b");
    assert_string_equal(names.items[2], "x");
    medvl_names_release(&names);
    CHECK_OK(medvl_path_remove(to, &err), &err);
    assert_false(medvl_folder_exists(to));
    CHECK_OK(medvl_path_remove(to, &err), &err);
    CHECK_FAILS(medvl_folder_list(&names, to, &err), MEDVL_EIO, &err,
                "No such");
    CHECK_FAILS(medvl_path_publish(to, from, &err), MEDVL_EOUTPUT, &err,
                "No such");
    medvl_free(deep);
    medvl_free(from);
    medvl_free(to);
    medvl_free(a);
    medvl_free(b);
    medvl_free(in);
}

/* A file of this name in a folder, and what is found then. */
static void put_below(const char *file, const char *want)
{
    char *top = check_temp("top"), *path = check_temp(file), *found;
    char *folder = medvl_copy_string(path, (size_t)(strrchr(path, '/') -
                                                    path));
    struct medvl_error err = {0};

    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_file_write(path, "", 0, &err), &err);
    CHECK_OK(medvl_folder_below(&found, top, "config.json", &err), &err);
    if (want) {
        assert_non_null(found);
        assert_string_equal(found + strlen(top) + 1, want);
    } else {
        assert_null(found);
    }
    medvl_free(found);
    medvl_free(folder);
    medvl_free(path);
    medvl_free(top);
}

static void the_folder_that_was_meant_is_found_below(void **state)
{
    char *top = check_temp("top"), *found;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_below(&found, top, "config.json", &err), &err);
    assert_null(found);
    put_below("top/config.json", NULL); /* that one is not below */
    put_below("top/other/x", NULL);
    put_below("top/a/b/config.json", NULL);
    put_below("top/snapshots/hash/config.json", "snapshots/hash");
    put_below("top/model/config.json", "model");
    CHECK_OK(medvl_path_remove(top, &err), &err);
    medvl_free(top);
}

static void what_git_lfs_leaves_is_known(void **state)
{
    static const char MARK[] = "version https://git-lfs.github.com/spec/v1";

    (void)state;
    assert_non_null(strstr(medvl_file_pointer(MARK, sizeof(MARK)),
                           "git lfs pull"));
    assert_null(medvl_file_pointer(MARK, 34));
    assert_null(medvl_file_pointer("{}", 2));
    assert_null(medvl_file_pointer(NULL, 0));
}

static void removing_does_not_follow_links(void **state)
{
    struct medvl_error err = {0};
    char *kept = check_temp("kept"), *folder = check_temp("links");
    char *link = check_temp("links/out");

    (void)state;
    CHECK_OK(medvl_file_write(kept, "x", 1, &err), &err);
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_OK(medvl_link_replace("../kept", link, &err), &err);
    assert_true(medvl_file_exists(link));
    CHECK_OK(medvl_link_replace("..", link, &err), &err);
    assert_true(medvl_folder_exists(link));
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    assert_true(medvl_file_exists(kept));
    medvl_free(kept);
    medvl_free(folder);
    medvl_free(link);
}

static void paths_join_with_one_slash(void **state)
{
    static const char *const CASES[][3] = {
        {"a", "b", "a/b"},
        {"a/", "b", "a/b"},
        {"", "b", "b"},
        {"a", "/b", "/b"},
        {"/", "b", "/b"},
    };
    struct medvl_error err = {0};
    size_t i;
    char *path;

    (void)state;
    for (i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        CHECK_OK(medvl_path_join(&path, CASES[i][0], CASES[i][1], &err), &err);
        assert_string_equal(path, CASES[i][2]);
        medvl_free(path);
    }
}

static void a_lock_is_held_once_and_goes_with_the_process(void **state)
{
    struct medvl_lock lock, other;
    struct medvl_error err = {0};
    char *path = check_temp("lock");
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(medvl_lock_take(&lock, path, NULL) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    CHECK_OK(medvl_lock_take(&lock, path, &err), &err);
    CHECK_FAILS(medvl_lock_take(&other, path, &err), MEDVL_EARG, &err,
                "another process");
    medvl_lock_release(&other);
    medvl_lock_release(&lock);
    CHECK_OK(medvl_lock_take(&other, path, &err), &err);
    medvl_lock_release(&other);
    medvl_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_written_whole_and_read_back),
        cmocka_unit_test(a_file_larger_than_allowed_is_refused_unread),
        cmocka_unit_test(what_cannot_be_read_or_written_is_named),
        cmocka_unit_test(what_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(a_full_disk_is_an_error_and_a_device_stays_one),
        cmocka_unit_test(a_copy_is_whole_or_absent),
        cmocka_unit_test(one_file_is_known_by_all_its_names),
        cmocka_unit_test(a_map_shows_the_bytes_and_an_empty_file_none),
        cmocka_unit_test(a_folder_of_ones_own_is_no_one_elses),
        cmocka_unit_test(folders_are_made_listed_published_and_removed),
        cmocka_unit_test(the_folder_that_was_meant_is_found_below),
        cmocka_unit_test(what_git_lfs_leaves_is_known),
        cmocka_unit_test(removing_does_not_follow_links),
        cmocka_unit_test(paths_join_with_one_slash),
        cmocka_unit_test(a_lock_is_held_once_and_goes_with_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
