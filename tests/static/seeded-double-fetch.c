/* SPDX-License-Identifier: MIT */
/* What double-fetch.cocci must find; not compiled into anything. */
static uint32_t seeded_twice(const struct vmev2_rsp __agent *shared)
{
    if ( read_atomic(&shared->emul_size) > sizeof(shared->emul) )
        return 0;

    return read_atomic(&shared->emul_size);
}

static void seeded_branch(struct vm_event_ring *ring)
{
    uint64_t cons = vm_event_load_acquire(&ring->user->cons);

    if ( cons <= ring->prod )
        ring->cons = vm_event_load(&ring->user->cons);
    else
        ring->bad_cons++;
}

static bool seeded_plain(const struct vm_event_ring *ring, uint64_t prod)
{
    const struct vmev2_user_line __agent *user = ring->user;
    uint64_t cons;

    cons = user->cons;

    return cons == prod;
}
