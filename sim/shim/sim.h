/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world around the files of xen/ when they run in a process: how a test,
 * or vmi-sim, makes domains, plays their vCPUs, talks to Xen as an agent's
 * domain would, and looks for what was left behind.
 *
 * Threads: any number.  Each thread is a vCPU at any moment (`current`): one
 * of dom0's, one of a guest's, or the idle domain's.  sim_thread_init() makes
 * the caller dom0's.
 */
#ifndef SIM_H
#define SIM_H

#include <xen/config.h>
#include <xen/dm.h>
#include <xen/event.h>
#include <xen/sched.h>
#include <xen/vm_event.h>

/* ---- the host ---- */

#define SIM_MAX_VCPUS   1024U
/* Pages of the guest's that legacy rings live in. */
enum { SIM_RING_MONITOR, SIM_RING_PAGING, SIM_RING_SHARING, SIM_RINGS };
#define SIM_RING_GFN    0xfeff5UL   /* of the first */

void sim_init(void);
/* Makes the calling thread a vCPU of dom0. */
void sim_thread_init(void);
/* ... or of another domain, NULL for dom0; for tests of who may do what. */
void sim_thread_become(struct domain *d);

/*
 * What is still there of allocations, pages, mappings, ports and domains that
 * the caller is answerable for; 0 when all has been given back.  Says what, on
 * stderr.
 */
unsigned int sim_leaks(void);

/* The n-th allocation of any kind from now on fails, once; 0: none. */
void sim_fail_alloc(unsigned int n);
/* Whether it has. */
bool sim_alloc_failed(void);
/* Every access to a caller's buffer faults while this is set. */
void sim_fail_guest_access(bool fail);
/* hypercall_preempt_check() says yes each n-th time; 0: never. */
void sim_preempt_every(unsigned int n);
unsigned int sim_preempted(void);
/* What xsm hooks say; 0: the default rules. */
void sim_xsm_deny(int rc);
/* Only the hook of ours (introspection) says rc, dm_op's own does not. */
void sim_xsm_deny_v2(int rc);
/* Moves Xen's clock forward. */
void sim_clock_advance(s_time_t ns);
/* Sets a boot option (size_param()); false: there is no such one. */
bool sim_param_set(const char *name, uint64_t value);
/* Prints Xen's console to stderr. */
void sim_console(bool on);
unsigned long sim_console_lines(void);
void sim_press_key(unsigned char key);
/* Waits until no tasklet is queued or running and no timer is overdue. */
void sim_softirq_drain(void);

/* ---- domains ---- */

struct domain *sim_domain_create(const char *name, domid_t domid,
                                 unsigned int nr_vcpus);
/*
 * domain_kill() and the last reference: all vCPUs must have been descheduled
 * or their threads must be able to reach that point.  max_steps > 0 ends after
 * so many continuations, with -ERESTART.
 */
int sim_domain_kill(struct domain *d, unsigned int max_steps);
/* With a reference, for put_domain(). */
struct domain *sim_domain_find(domid_t domid);
/* Frees d->guest, when nobody can find the domain any more. */
extern void (*sim_domain_free_hook)(struct domain *d);

/* ---- vCPUs ---- */

/*
 * For a thread that plays v: enter makes it v and schedules it in (waits until
 * v may run).  return_to_guest is the way from Xen into the guest: it
 * deschedules v while it is paused, and carries out what an answer asks for.
 * Both return false when the thread is to end; v is descheduled then.
 */
bool sim_vcpu_enter(struct vcpu *v);
bool sim_vcpu_return_to_guest(struct vcpu *v);
/* In the guest: waits for so many ns, or until Xen wants the vCPU. */
void sim_vcpu_idle(struct vcpu *v, s_time_t ns);
void sim_vcpu_stop(struct vcpu *v);
/* Has v pass the scheduler once, as an interrupt for Xen would. */
void sim_vcpu_kick(struct vcpu *v);

/*
 * For a test that plays several vCPUs on one thread: v becomes current and
 * running without further ado; off deschedules it; try_resume takes it through
 * one return to the guest if it may run, and says whether it got there.
 */
void sim_vcpu_on(struct vcpu *v);
void sim_vcpu_off(struct vcpu *v);
bool sim_vcpu_try_resume(struct vcpu *v);

/* hvm_do_resume() of the simulated processor; in arch_sim.c. */
void sim_do_resume(struct vcpu *v);

/* ---- what an agent's domain does ---- */

/* Continued until it ends, as the hypercall stub does. */
/* How often one was left in its middle and called again. */
extern unsigned int sim_nr_continued;
int sim_dm_op(domid_t domid, const struct xen_dm_op_buf *buf, unsigned int nr);
int sim_domctl_vm_event(domid_t domid, struct xen_domctl_vm_event_op *op);
int sim_domctl_monitor(domid_t domid, struct xen_domctl_monitor_op *op);
int sim_acquire_resource(domid_t domid, unsigned int type, unsigned int id,
                         unsigned int frame, unsigned int nr,
                         xen_pfn_t *mfn);

/* An interdomain binding of the caller's domain to a port of rd. */
struct sim_binding;
int sim_evtchn_bind(struct domain *rd, evtchn_port_t rport,
                    struct sim_binding **binding);
void sim_evtchn_unbind(struct sim_binding *b);
/* A kick, carried out by the calling thread. */
void sim_evtchn_send(struct sim_binding *b);
/* Becomes readable when Xen notifies. */
int sim_evtchn_fd(const struct sim_binding *b);
evtchn_port_t sim_evtchn_local(const struct sim_binding *b);
/* Notifications wake nobody any more, as when Linux polls a port. */
void sim_evtchn_mask(struct sim_binding *b);
/* Takes the pending notifications; 0: none. */
uint64_t sim_evtchn_pending(struct sim_binding *b);
/* Ports of d that are in use. */
unsigned int sim_evtchn_ports(struct domain *d);
/* The guest opens ports of its own until only so many are left. */
unsigned int sim_evtchn_fill(struct domain *d, unsigned int leave);
/* EVTCHNOP_reset: the guest's own ports close; Xen's are left alone. */
void sim_evtchn_reset(struct domain *d);
void sim_evtchn_init(struct domain *d);
void sim_evtchn_destroy(struct domain *d);
void sim_evtchn_free(struct domain *d);

/* Place of a page: a memfd and the offset in it. */
int sim_page_place(unsigned long mfn, off_t *offset);
/* A page of d's for a legacy ring: its memfd, and Xen's mapping if enabled. */
int sim_ring_fd(const struct domain *d, unsigned int ring);
void *sim_ring_page(const struct domain *d, unsigned int ring);
void sim_domain_init_pages(struct domain *d);
void sim_domain_free_pages(struct domain *d);

/* ---- between the parts of the shim ---- */

bool sim_take_alloc(void);      /* false: this allocation is to fail */
void sim_count(int *counter, int by);
extern struct domain *sim_idle;
extern int sim_nr_allocs, sim_nr_pages, sim_nr_maps, sim_nr_ports, sim_nr_domains;
void sim_softirq_init(void);
void sim_rcu_enter(void);
void sim_rcu_leave(void);
struct domain *sim_new_domain(const char *name, domid_t domid,
                              unsigned int nr_vcpus);
struct vcpu *sim_new_vcpu(struct domain *d, unsigned int id);
void sim_free_vcpu(struct vcpu *v);

/* arch_sim.c */
void sim_arch_vcpu_init(struct vcpu *v);
void sim_arch_vcpu_free(struct vcpu *v);
void sim_arch_domain_free(struct domain *d);

#endif
