/* SPDX-License-Identifier: MIT */
/*
 * Loads what speaks to libxenctrl.  That library's soname changes with each
 * Xen release, so the part that needs it is a shared object of its own, linked
 * to it like any program, and loaded only when the legacy ABI is used.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "private.h"

struct legacy_host *legacy_plugin_open(struct msg *msg, const char *path)
{
    const struct vmiring_legacy_plugin *plugin;
    struct legacy_host *lh;
    void *object;

    if ( !path )
        path = VMIRING_LEGACY_PLUGIN;

    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if ( !object )
    {
        fail(msg, ELIBACC, "the legacy plugin cannot be loaded: %s",
             dlerror());
        return NULL;
    }

    plugin = dlsym(object, VMIRING_PLUGIN_SYMBOL);
    if ( !plugin || plugin->version != VMIRING_PLUGIN_VERSION ||
         plugin->size != sizeof(*plugin) )
    {
        fail(msg, ELIBACC, "%s is not this library's legacy plugin", path);
        dlclose(object);
        return NULL;
    }

    /* It stays loaded: libxenctrl's own threads and handlers may remain. */
    lh = plugin->open();
    if ( !lh )
        fail(msg, errno == EPERM ? EACCES : errno,
             "libxenctrl cannot be opened: %s", strerror(errno));

    return lh;
}
