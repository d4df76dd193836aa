/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SIM_XEN_LIST_H
#define SIM_XEN_LIST_H

#include <xen/lib.h>

struct list_head {
    struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)    { &(name), &(name) }
#define LIST_HEAD(name)         struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *list)
{
    list->next = list->prev = list;
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
    entry->next = head;
    entry->prev = head->prev;
    head->prev->next = entry;
    head->prev = entry;
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
    list_add_tail(entry, head->next);
}

static inline void list_del_init(struct list_head *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    INIT_LIST_HEAD(entry);
}

#define list_del(entry) list_del_init(entry)

static inline bool list_empty(const struct list_head *head)
{
    return head->next == head;
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) \
    list_entry((head)->next, type, member)
#define list_for_each_entry(pos, head, member)                          \
    for ( (pos) = list_entry((head)->next, typeof(*(pos)), member);     \
          &(pos)->member != (head);                                     \
          (pos) = list_entry((pos)->member.next, typeof(*(pos)), member) )

#endif
