/* SPDX-License-Identifier: MIT */
/* What double-fetch.cocci must find; not compiled into anything. */
static uint32_t seeded_twice(const struct vmev2_rsp *shared)
{
    if ( read_atomic(&shared->emul_size) > sizeof(shared->emul) )
        return 0;

    return read_atomic(&shared->emul_size);
}

static bool seeded_plain(const struct vmev2_user_line *user, uint64_t prod)
{
    uint64_t cons;

    cons = user->cons;

    return cons == prod;
}
