/*
 * Devices by name: the CPU, and plugins.
 *
 * Read next: cpu.h.
 */
#include "kernels/device.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/mem.h"

#define CUDA_PLUGIN "libmedvl-cuda.so"

/* Beside the executable; "" when the system does not say where it is. */
static void plugin_beside(char *out, size_t size, const char *name)
{
    const ssize_t got = readlink("/proc/self/exe", out, size - 1);
    char *slash;

    out[got > 0 ? got : 0] = '\0';
    slash = strrchr(out, '/');
    if (!slash || (size_t)(slash + 1 - out) + strlen(name) >= size) {
        out[0] = '\0';
        return;
    }
    snprintf(slash + 1, size - (size_t)(slash + 1 - out), "%s", name);
}

/* The library stays loaded: the device's code is in it. */
static int open_plugin(struct medvl_device **out, const char *name,
                       const char *entry, struct medvl_error *err)
{
    const struct medvl_device_api *api, *(*get)(int version);
    char beside[PATH_MAX];
    void *library = NULL;

    plugin_beside(beside, sizeof(beside), name);
    if (beside[0] && access(beside, F_OK) == 0)
        library = dlopen(beside, RTLD_NOW | RTLD_LOCAL);
    else if (access(MEDVL_PLUGINDIR "/" CUDA_PLUGIN, F_OK) == 0)
        library = dlopen(MEDVL_PLUGINDIR "/" CUDA_PLUGIN,
                         RTLD_NOW | RTLD_LOCAL);
    else
        return medvl_fail(err, MEDVL_EUNSUPPORTED,
                          "no %s beside the command nor in %s", name,
                          MEDVL_PLUGINDIR);
    if (!library)
        return medvl_fail(err, MEDVL_EUNSUPPORTED, "%s", dlerror());
    *(void **)&get = dlsym(library, entry);
    api = get ? get(MEDVL_DEVICE_API) : NULL;
    if (!api || api->version != MEDVL_DEVICE_API) {
        medvl_fail(err, MEDVL_EUNSUPPORTED,
                   "%s speaks version %d (%s), this is version %d", name,
                   api ? api->version : 0, api ? api->build : "no build",
                   MEDVL_DEVICE_API);
        dlclose(library);
        return MEDVL_EUNSUPPORTED;
    }
    return api->open(out, err);
}

int medvl_device_open(struct medvl_device **out, const char *name,
                      struct medvl_pool *pool, struct medvl_error *err)
{
    *out = NULL;
    if (strcmp(name, "cpu") == 0)
        return medvl_device_open_cpu(out, pool, MEDVL_ISA_AVX2, err);
    if (strcmp(name, "cuda") == 0)
        return open_plugin(out, CUDA_PLUGIN, "medvl_cuda_api", err);
    return medvl_fail(err, MEDVL_EARG, "no such device: %s", name);
}

int medvl_device_reserve(struct medvl_device *dev, size_t size,
                         struct medvl_error *err)
{
    if (size <= dev->scratch_size)
        return MEDVL_OK;
    medvl_block_free(dev->scratch, dev->scratch_size); /* never both */
    dev->scratch_size = 0;
    dev->scratch = medvl_block_alloc(size);
    if (!dev->scratch)
        return medvl_no_memory(err);
    dev->scratch_size = size;
    return MEDVL_OK;
}

int medvl_device_sync(struct medvl_device *dev, struct medvl_error *err)
{
    (void)dev; /* CPU kernels are done when they return and cannot fail */
    (void)err;
    return MEDVL_OK;
}

void medvl_device_free(struct medvl_device *dev)
{
    if (!dev)
        return;
    dev->free(dev);
}
