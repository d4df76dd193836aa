/* SPDX-License-Identifier: MIT */
/*
 * What the two engines need of the machine below them.  Real Xen, the
 * simulated host and the unit tests' fake each implement it.
 *
 * Every function returns 0 (or what is said) or -1 with errno; none prints.
 */
#ifndef VMIRING_HOST_H
#define VMIRING_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;

#define HOST_PAGE 4096U

struct host_ops {
    const char *name;
    uint64_t caps;          /* VMIRING_CAP_* that the host adds or allows */

    /* XEN_DMOP_*: two buffers, the second may be NULL. */
    int (*dm_op)(struct host *host, uint32_t domid, void *buf0, size_t size0,
                 void *buf1, size_t size1);

    /*
     * Maps nr frames of a resource, from frame first on, times times in a row
     * at consecutive addresses, so that what wraps at the end reads on in the
     * next copy.  NULL and errno.  unmap takes the same geometry.
     */
    void *(*map)(struct host *host, uint32_t domid, uint32_t type, uint32_t id,
                 uint64_t first, uint64_t nr, int prot, unsigned int times);
    void (*unmap)(struct host *host, void *addr, uint64_t nr,
                  unsigned int times);

    /*
     * bind returns the local port (>= 0) that joins a waiting port of Xen.
     * fd is valid from the first bind on: readable when Xen notified.  drain
     * takes the notifications, before the caller looks for their cause, and
     * returns their number.
     */
    int (*bind)(struct host *host, uint32_t domid, uint32_t port);
    int (*unbind)(struct host *host, int local);
    int (*notify)(struct host *host, int local);
    int (*fd)(struct host *host);
    int (*drain)(struct host *host);

    /*
     * size bytes at gpa, inside one page.  ENOENT or EFAULT: no memory there.
     * What these keep mapped for speed, forget lets go of.
     */
    int (*read_phys)(struct host *host, uint32_t domid, uint64_t gpa,
                     void *buf, size_t size);
    int (*write_phys)(struct host *host, uint32_t domid, uint64_t gpa,
                      const void *buf, size_t size);
    void (*forget)(struct host *host);

    /* Cuts every handle down to this domain. */
    int (*restrict_to)(struct host *host, uint32_t domid);

    /* child: after a fork, where only file descriptors may be closed. */
    void (*close)(struct host *host, bool child);
};

struct host {
    const struct host_ops *ops;
};

/* ---- the legacy ABI's control operations ---- */

struct legacy_host;

/* xen_domctl_monitor_op with its options; numbers are XEN_DOMCTL_MONITOR_*. */
struct legacy_monitor {
    uint32_t event;
    bool enable;
    bool sync;
    bool onchangeonly;
    bool userspace;
    uint32_t index;
    uint32_t msr;
    uint64_t mask;
};

struct legacy_info {
    uint32_t nr_vcpus;
    uint32_t state;         /* VMEV2_DOMAIN_* */
    uint32_t shutdown_code;
};

struct legacy_ops {
    int (*version)(struct legacy_host *lh);  /* VM_EVENT_INTERFACE_VERSION */
    /* ESRCH: no such domain (any more). */
    int (*info)(struct legacy_host *lh, uint32_t domid,
                struct legacy_info *info);
    void *(*enable)(struct legacy_host *lh, uint32_t domid, uint32_t *port);
    int (*disable)(struct legacy_host *lh, uint32_t domid);
    void (*unmap)(struct legacy_host *lh, void *ring);
    int (*monitor)(struct legacy_host *lh, uint32_t domid,
                   const struct legacy_monitor *m);
    /* CR and MSR writes wait for their answer from now on. */
    int (*defer_writes)(struct legacy_host *lh, uint32_t domid);
    int (*capabilities)(struct legacy_host *lh, uint32_t domid, uint32_t *caps);
    int (*mem_option)(struct legacy_host *lh, uint32_t domid, uint32_t option,
                      bool on);     /* VMIRING_MEM_* */
    int (*pause)(struct legacy_host *lh, uint32_t domid);
    int (*unpause)(struct legacy_host *lh, uint32_t domid);
    int (*set_access)(struct legacy_host *lh, uint32_t domid, uint64_t first,
                      uint64_t nr, uint8_t access);
    int (*get_access)(struct legacy_host *lh, uint32_t domid, uint64_t gfn,
                      uint8_t *access);
    void (*close)(struct legacy_host *lh, bool child);
};

struct legacy_host {
    const struct legacy_ops *ops;
};

/*
 * The plugin exports one object, VMIRING_PLUGIN_SYMBOL.  Its first two words
 * stay where they are; anything else may change with the number.
 */
#define VMIRING_PLUGIN_VERSION 2U
#define VMIRING_PLUGIN_SYMBOL  "vmiring_legacy_plugin_1"
struct vmiring_legacy_plugin {
    uint32_t version;       /* VMIRING_PLUGIN_VERSION */
    uint32_t size;          /* of this struct */
    /* Opens libxenctrl.  On failure NULL, errno. */
    struct legacy_host *(*open)(void);
};

#endif /* VMIRING_HOST_H */
