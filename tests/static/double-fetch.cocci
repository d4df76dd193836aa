// SPDX-License-Identifier: MIT
//
// A word that a peer can write is read twice in one function, on one path of it
// at least: what was checked is not what is used.  Of Xen's side all accesses
// through read_atomic() and vm_event_load*(), of the library's through shm_*().
@twice exists@
expression p;
identifier f =~ "^(read_atomic|vm_event_load|vm_event_load_acquire)$";
identifier g =~ "^(read_atomic|vm_event_load|vm_event_load_acquire)$";
identifier m =~ "^(rsp_seq|flags|altp2m_idx|fast_p2midx|emul_size|cons|rsp_prod)$";
position a, b;
@@
 f@a(&p->m)
 ... when != p = ...
 g@b(&p->m)

@script:python@
a << twice.a;
b << twice.b;
m << twice.m;
@@
print("double fetch of %s: %s:%s and line %s" % (m, a[0].file, a[0].line, b[0].line))

@plain@
identifier s =~ "^(shared|user)$";
identifier m =~ "^(rsp_seq|cons|rsp_prod)$";
expression e;
position c;
@@
(
 e = s->m@c
|
 s->m@c == e
|
 s->m@c != e
|
 s->m@c < e
|
 s->m@c > e
)

@script:python@
c << plain.c;
m << plain.m;
@@
print("plain read of %s: %s:%s" % (m, c[0].file, c[0].line))
