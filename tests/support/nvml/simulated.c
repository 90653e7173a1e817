/* NVML without a driver: its functions answer from a mapped file that a test writes (layout.py has
 * the same layout; a file of another size is refused). Names and codes are those of nvml.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 64, PROCESSES = 32, LINKS = 18, FAULTS = 32, EVENTS = 64, SLICES = 7 };
enum { UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { NOT_LOADED = 9, TIMED_OUT = 10, LOST = 15, MISMATCH = 18, NO_MEMORY = 20 };
enum { COMPUTE = 1, MPS = 2, GRAPHICS = 3 };

typedef unsigned int u32;
typedef unsigned long long u64;

/* `elsewhere`: of another process namespace, so that it lives though nobody here sees it.
 * `started`: its start in ticks since the machine's, for a number is used again; 0 is any. */
typedef struct { u32 pid, kind, elsewhere, started; u64 memory; } Process;
typedef struct { u32 active, kind; char bus[32]; } Link;
typedef struct { char function[64]; u32 device, code; } Fault;
typedef struct { u64 type, data; u32 device, pad; } Event;

/* A whole GPU or a MIG slice. Numbers of devices count from 1, so that 0 is none. */
typedef struct {
    u32 present, lost, parent, major, minor, numa, mig, instance;
    u32 gpu_slices, compute_slices, width, width_most, busy, temperature, power;
    u32 rows[4];
    u64 total, reserved, base, reasons, energy;
    u64 ecc[2][2];
    char uuid[96], name[96], bus[32];
    Link links[LINKS];
    Process processes[PROCESSES];
} Device;

typedef struct {
    u64 size, posted;
    u32 cuda, pad;
    char driver[80];
    u32 topology[DEVICES][DEVICES];
    Fault faults[FAULTS];
    Event events[EVENTS];
    Device devices[DEVICES];
} State;

typedef struct { u64 total, free, used; } Memory;
typedef struct { u32 version; u64 total, reserved, free, used; } MemoryV2;
typedef struct { u32 pid; u64 memory; u32 instance, compute_instance; } Running;
typedef struct { char legacy[16]; u32 domain, bus, device, id, subsystem; char text[32]; } Pci;
typedef struct { Device *device; u64 type, data; u32 instance, compute_instance; } Happened;
typedef struct { u32 gpu, memory; } Busy;
typedef struct { u32 units[6], gpu_slices, compute_slices; u64 megabytes; } Attributes;
typedef struct { u64 seen, types[DEVICES]; } EventSet;

static State *state;
static Device *found[DEVICES]; /* whole GPUs are those that there were when the library opened */
static u32 sessions, count;

static u32 number(const Device *device) { return (u32)(device - state->devices) + 1; }

/* The code with which a call ends before it has begun; 0 lets it answer. */
static int refusal(const char *function, const Device *device) {
    if (!sessions) return UNINITIALIZED;
    for (int i = 0; i < FAULTS; i++) {
        const Fault *fault = &state->faults[i];
        int here = !fault->device || (device && fault->device == number(device));
        if (fault->code && here && !strcmp(fault->function, function)) return (int)fault->code;
    }
    return device && (device->lost || !device->present) ? LOST : 0;
}

#define ENTER(device)                                   \
    do {                                                \
        int refused = refusal(__func__, device);        \
        if (refused) return refused;                    \
    } while (0)

static int copy(char *out, u32 size, const char *text) {
    if (strlen(text) >= size) return TOO_SMALL;
    strcpy(out, text);
    return 0;
}

static int attach(void) {
    const char *path = getenv("SIMULATED_NVML");
    int file = path ? open(path, O_RDONLY) : -1;
    struct stat about;
    if (file < 0) return NOT_LOADED;
    int whole = !fstat(file, &about) && about.st_size == (off_t)sizeof(State);
    void *mapped = whole ? mmap(NULL, sizeof(State), PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    close(file);
    if (mapped == MAP_FAILED) return MISMATCH;
    state = mapped;
    return state->size == sizeof(State) ? 0 : MISMATCH;
}

/* ---- the library ---- */

int nvmlInitWithFlags(u32 flags) {
    (void)flags;
    int failed = state ? 0 : attach();
    if (failed) return failed;
    sessions++;
    failed = refusal(__func__, NULL);
    if (failed) {
        sessions--;
        return failed;
    }
    if (sessions > 1) return 0;
    count = 0;
    for (int i = 0; i < DEVICES; i++) {
        Device *device = &state->devices[i];
        if (device->present && !device->parent) found[count++] = device;
    }
    return 0;
}

int nvmlShutdown(void) {
    ENTER(NULL);
    sessions--;
    return 0;
}

const char *nvmlErrorString(int code) {
    static char words[32];
    snprintf(words, sizeof words, "simulated error %d", code);
    return words;
}

int nvmlSystemGetDriverVersion(char *out, u32 size) {
    ENTER(NULL);
    return copy(out, size, state->driver);
}

int nvmlSystemGetCudaDriverVersion_v2(u32 *out) {
    ENTER(NULL);
    *out = state->cuda;
    return 0;
}

/* ---- which devices ---- */

int nvmlDeviceGetCount_v2(u32 *out) {
    ENTER(NULL);
    *out = count;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, Device **out) {
    if (sessions && index >= count) return INVALID;
    ENTER(found[index]);
    *out = found[index];
    return 0;
}

int nvmlDeviceGetMaxMigDeviceCount(Device *device, u32 *out) {
    ENTER(device);
    *out = SLICES;
    return 0;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Device *device, u32 index, Device **out) {
    ENTER(device);
    for (int i = 0; i < DEVICES; i++) {
        Device *slice = &state->devices[i];
        if (!slice->present || slice->parent != number(device) || index--) continue;
        *out = slice;
        return 0;
    }
    return NOT_FOUND;
}

int nvmlDeviceGetMigMode(Device *device, u32 *now, u32 *later) {
    ENTER(device);
    *now = *later = device->mig;
    return 0;
}

/* ---- what a device is, and how it is ---- */

#define TEXT(function, field)                             \
    int function(Device *device, char *out, u32 size) {   \
        ENTER(device);                                    \
        return copy(out, size, device->field);            \
    }

#define NUMBER(function, type, field)                     \
    int function(Device *device, type *out) {             \
        ENTER(device);                                    \
        *out = device->field;                             \
        return 0;                                         \
    }

TEXT(nvmlDeviceGetUUID, uuid)
TEXT(nvmlDeviceGetName, name)
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, u64, reasons)
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, u64, reasons)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, u32, width)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, u32, width_most)
NUMBER(nvmlDeviceGetTotalEnergyConsumption, u64, energy)
NUMBER(nvmlDeviceGetPowerUsage, u32, power)

int nvmlDeviceGetTemperature(Device *device, u32 sensor, u32 *out) {
    ENTER(device);
    (void)sensor;
    *out = device->temperature;
    return 0;
}

int nvmlDeviceGetUtilizationRates(Device *device, Busy *out) {
    ENTER(device);
    *out = (Busy){device->busy, device->busy};
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(Device *device, int *major, int *minor) {
    ENTER(device);
    *major = (int)device->major, *minor = (int)device->minor;
    return 0;
}

int nvmlDeviceGetAttributes_v2(Device *device, Attributes *out) {
    ENTER(device);
    *out = (Attributes){{0}, device->gpu_slices, device->compute_slices, device->total >> 20};
    return 0;
}

int nvmlDeviceGetTotalEccErrors(Device *device, u32 uncorrected, u32 ever, u64 *out) {
    ENTER(device);
    *out = device->ecc[uncorrected & 1][ever & 1];
    return 0;
}

int nvmlDeviceGetRemappedRows(Device *device, u32 *weak, u32 *bad, u32 *waits, u32 *failed) {
    ENTER(device);
    *weak = device->rows[0], *bad = device->rows[1];
    *waits = device->rows[2], *failed = device->rows[3];
    return 0;
}

/* ---- where a device is ---- */

static void place(const char *bus, Pci *out) {
    *out = (Pci){0};
    sscanf(bus, "%x:%x:%x", &out->domain, &out->bus, &out->device);
    snprintf(out->text, sizeof out->text, "%08X:%02X:%02X.0", out->domain, out->bus & 0xff,
             out->device & 0xff);
}

int nvmlDeviceGetPciInfo_v3(Device *device, Pci *out) {
    ENTER(device);
    place(device->bus, out);
    return 0;
}

int nvmlDeviceGetMemoryAffinity(Device *device, u32 size, u64 *nodes, u32 scope) {
    ENTER(device);
    (void)scope;
    memset(nodes, 0, size * sizeof *nodes);
    if (device->numa) nodes[(device->numa - 1) / 64] = 1ULL << ((device->numa - 1) % 64);
    return 0;
}

int nvmlDeviceGetTopologyCommonAncestor(Device *one, Device *other, u32 *out) {
    ENTER(one);
    ENTER(other);
    *out = state->topology[number(one) - 1][number(other) - 1];
    return 0;
}

int nvmlDeviceGetNvLinkState(Device *device, u32 link, u32 *out) {
    ENTER(device);
    if (link >= LINKS) return INVALID;
    *out = device->links[link].active;
    return 0;
}

int nvmlDeviceGetNvLinkRemoteDeviceType(Device *device, u32 link, u32 *out) {
    ENTER(device);
    if (link >= LINKS) return INVALID;
    *out = device->links[link].kind;
    return 0;
}

int nvmlDeviceGetNvLinkRemotePciInfo_v2(Device *device, u32 link, Pci *out) {
    ENTER(device);
    if (link >= LINKS) return INVALID;
    if (!device->links[link].bus[0]) return UNSUPPORTED;
    place(device->links[link].bus, out);
    return 0;
}

/* ---- who is on a device ---- */

/* What a process held is free again when it is dead, reaped or not. */
static int lives(const Process *process) {
    char path[32], how = 'Z';
    unsigned long long started = 0;
    if (!process->kind || process->elsewhere) return process->kind != 0;
    snprintf(path, sizeof path, "/proc/%u/stat", process->pid);
    FILE *file = fopen(path, "r");
    if (!file) return kill((pid_t)process->pid, 0) == 0 || errno == EPERM;
    if (fscanf(file,
               "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
               "%*d %*d %llu",
               &how, &started) != 2)
        how = 'Z';
    fclose(file);
    return how != 'Z' && how != 'X' && (!process->started || process->started == (u32)started);
}

static u64 used(const Device *device) {
    u64 bytes = device->base;
    for (int i = 0; i < PROCESSES; i++)
        if (lives(&device->processes[i])) bytes += device->processes[i].memory;
    for (int i = 0; device->mig && i < DEVICES; i++) {
        const Device *slice = &state->devices[i];
        if (slice->present && slice->parent == number(device)) bytes += used(slice);
    }
    return bytes;
}

int nvmlDeviceGetMemoryInfo(Device *device, Memory *out) {
    ENTER(device);
    u64 taken = used(device) + device->reserved; /* the first version counts what is reserved */
    *out = (Memory){device->total, device->total - taken, taken};
    return 0;
}

int nvmlDeviceGetMemoryInfo_v2(Device *device, MemoryV2 *out) {
    ENTER(device);
    u64 taken = used(device), rest = device->total - device->reserved - taken;
    *out = (MemoryV2){out->version, device->total, device->reserved, rest, taken};
    return 0;
}

static int running(const Device *device, u32 kind, u32 *room, Running *out) {
    u32 there = 0, most = out ? *room : 0;
    for (int i = 0; i < PROCESSES; i++) {
        const Process *each = &device->processes[i];
        if (each->kind != kind || !lives(each)) continue;
        if (there < most)
            out[there] = (Running){each->pid, each->memory, device->instance, 0};
        there++;
    }
    *room = there;
    return there > most ? TOO_SMALL : 0;
}

#define RUNNING(function, kind)                                \
    int function(Device *device, u32 *room, Running *out) {    \
        ENTER(device);                                         \
        return running(device, kind, room, out);               \
    }

RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, COMPUTE)
RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, COMPUTE)
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v3, MPS)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, GRAPHICS)

/* ---- what happens to a device ---- */

int nvmlDeviceGetSupportedEventTypes(Device *device, u64 *out) {
    ENTER(device);
    *out = ~0ULL;
    return 0;
}

int nvmlEventSetCreate(EventSet **out) {
    ENTER(NULL);
    *out = calloc(1, sizeof **out);
    if (!*out) return NO_MEMORY;
    (*out)->seen = state->posted;
    return 0;
}

int nvmlDeviceRegisterEvents(Device *device, u64 types, EventSet *set) {
    ENTER(device);
    set->types[number(device) - 1] |= types;
    return 0;
}

int nvmlEventSetWait_v2(EventSet *set, Happened *out, u32 milliseconds) {
    ENTER(NULL);
    for (u32 waited = 0;; waited++) {
        while (set->seen < state->posted) {
            const Event *event = &state->events[set->seen++ % EVENTS];
            if (!(set->types[event->device - 1] & event->type)) continue;
            Device *device = &state->devices[event->device - 1];
            *out = (Happened){device, event->type, event->data, ~0U, ~0U};
            return 0;
        }
        if (waited >= milliseconds) return TIMED_OUT;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

int nvmlEventSetFree(EventSet *set) {
    ENTER(NULL);
    free(set);
    return 0;
}
