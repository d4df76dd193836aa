/* SPDX-License-Identifier: MIT */
/* One breach of a rule that Xen adopts (20.7), for run.sh to see found. */
#define TWICE(x) (2 * x)

int seeded_twice(int a);
int seeded_twice(int a)
{
    return TWICE(a + 1);
}
