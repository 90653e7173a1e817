/* CUDA without a driver: the devices of the simulated NVML beside it, as CUDA_VISIBLE_DEVICES lets a
 * process see them. Source: CUDA Programming Guide, "CUDA Environment Variables". */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, NO_DEVICE = 100, NOT_INITIALIZED = 3, INVALID = 101, UNKNOWN = 999 };

typedef void *Handle;
typedef int (*Counting)(unsigned *);
typedef int (*Finding)(unsigned, Handle *);
typedef int (*Slicing)(Handle, unsigned, Handle *);
typedef int (*Naming)(Handle, char *, unsigned);
typedef int (*Asking)(Handle, unsigned *, unsigned *);

static char there[MOST][96], visible[MOST][96];
static int slice[MOST], whole, all, seen, begun;

/* Every device in PCI order: whole GPUs first, then the slices of those that are cut. */
static int look(void) {
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!nvml) return UNKNOWN;
    int (*begin)(unsigned) = (int (*)(unsigned))dlsym(nvml, "nvmlInitWithFlags");
    Counting count = (Counting)dlsym(nvml, "nvmlDeviceGetCount_v2");
    Finding find = (Finding)dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2");
    Slicing cut = (Slicing)dlsym(nvml, "nvmlDeviceGetMigDeviceHandleByIndex");
    Naming name = (Naming)dlsym(nvml, "nvmlDeviceGetUUID");
    Asking mode = (Asking)dlsym(nvml, "nvmlDeviceGetMigMode");
    unsigned devices = 0, now, later;
    Handle gpu, piece;
    if (begin(0) || count(&devices)) return UNKNOWN;
    for (unsigned i = 0; i < devices; i++)
        if (!find(i, &gpu) && !mode(gpu, &now, &later) && !now) name(gpu, there[all++], 96);
    whole = all;
    for (unsigned i = 0; i < devices; i++)
        for (unsigned j = 0; !find(i, &gpu) && !cut(gpu, j, &piece); j++) {
            slice[all] = 1;
            name(piece, there[all++], 96);
        }
    return 0;
}

static int named(const char *word) {
    if (!strncmp(word, "GPU-", 4) || !strncmp(word, "MIG-", 4)) {
        for (int i = 0; i < all; i++)
            if (!strncmp(there[i], word, strlen(word))) return i;
        return -1;
    }
    char *end;
    long index = strtol(word, &end, 10);
    return end == word || index < 0 || index >= whole ? -1 : (int)index;
}

int cuInit(unsigned flags) {
    (void)flags;
    if (begun) return seen ? 0 : NO_DEVICE;
    int failed = look();
    if (failed) return failed;
    const char *asked = getenv("CUDA_VISIBLE_DEVICES");
    if (!asked)
        for (int i = 0; i < whole; i++) strcpy(visible[seen++], there[i]);
    char *words = strdup(asked ? asked : ""), *rest = words, *word;
    while ((word = strsep(&rest, ","))) {
        int place = named(word);
        if (place < 0) break; /* what comes behind a device that is not there is hidden too */
        strcpy(visible[seen++], there[place]);
        if (slice[place]) break; /* one slice for each process */
    }
    free(words);
    begun = 1;
    return seen ? 0 : NO_DEVICE;
}

int cuDeviceGetCount(int *out) {
    *out = seen;
    return begun ? 0 : NOT_INITIALIZED;
}

int cuDeviceGet(int *out, int place) {
    *out = place;
    return place < seen ? 0 : INVALID;
}

int cuDeviceGetUuid_v2(unsigned char *out, int device) {
    if (device >= seen) return INVALID;
    int digits = 0;
    memset(out, 0, 16);
    for (const char *c = visible[device] + 4; *c && digits < 32; c++) {
        const char *at = strchr("0123456789abcdef", *c);
        if (at) out[digits / 2] |= (unsigned char)((at - "0123456789abcdef") << (digits % 2 ? 0 : 4)), digits++;
    }
    return 0;
}
