/* A CUDA driver without a GPU: what a memory test calls, on memory of the machine itself.
 * SIMULATED_CUDA says how many bytes are free; SIMULATED_CUDA_FAULT, where one bit of a byte stays 1;
 * without the first there is no device, and only the devices of SIMULATED_CUDA_UUIDS are there. */
#include <stdlib.h>
#include <string.h>

enum { OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID = 101 };

typedef unsigned long long u64;

static char *memory;
static u64 size, taken;

static u64 number(const char *name, u64 otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int cuInit(unsigned flags) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES"), *there = getenv("SIMULATED_CUDA_UUIDS");
    (void)flags;
    size = number("SIMULATED_CUDA", 0);
    if (!size || !visible || !there || !strstr(there, visible)) return NO_DEVICE;
    memory = calloc(size, 1);
    return memory ? 0 : OUT_OF_MEMORY;
}

int cuDeviceGet(int *device, int index) {
    *device = index;
    return index ? INVALID : 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    *context = memory;
    return 0;
}

int cuCtxSetCurrent(void *context) { return context == memory ? 0 : INVALID; }

int cuMemGetInfo_v2(size_t *left, size_t *total) {
    *left = size - taken, *total = size;
    return 0;
}

int cuMemAlloc_v2(u64 *address, size_t bytes) {
    if (taken + bytes > size) return OUT_OF_MEMORY;
    *address = (u64)(memory + taken);
    taken += bytes;
    return 0;
}

int cuMemFree_v2(u64 address) {
    (void)address;
    return 0;
}

int cuMemsetD32_v2(u64 address, unsigned word, size_t words) {
    for (size_t i = 0; i < words; i++) ((unsigned *)address)[i] = word;
    u64 fault = number("SIMULATED_CUDA_FAULT", size);
    if (fault < size) memory[fault] |= 1;
    return 0;
}

int cuMemcpyDtoH_v2(void *out, u64 address, size_t bytes) {
    memcpy(out, (void *)address, bytes);
    return 0;
}
