/* The records of a secure environment as an immutable, counted snapshot, sorted by kind and id. Whoever holds a
 * reference may read without a lock; a change makes a new snapshot that shares the records it did not touch. */
#ifndef GH_SE_SE_TABLE_H
#define GH_SE_SE_TABLE_H

#include <stdatomic.h>

#include "se/se_backend.h"

enum { GH_SE_MAX_RECORDS = 4096, GH_SE_MAX_IMAGE_BYTES = 8 * 1024 * 1024 };

/* One block of key pages holds all of it: the text of `info` and the key. */
typedef struct gh_se_record {
  atomic_uint refs;
  size_t block_bytes;
  gh_se_info info;
  gh_str key;
} gh_se_record;

typedef struct gh_se_table {
  atomic_uint refs;
  size_t count;
  gh_se_record *records[];
} gh_se_table;

gh_se_table *gh_se_table_empty(void);
gh_se_table *gh_se_table_ref(gh_se_table *table);
void gh_se_table_unref(gh_se_table *table); /* may be NULL; the last one wipes */

const gh_se_record *gh_se_table_find(const gh_se_table *table, gh_se_kind kind, gh_str id); /* NULL when absent */

/* New snapshots with one reference. GH_ELIMIT at GH_SE_MAX_RECORDS; GH_ENOTFOUND. */
GH_MUST_USE gh_err gh_se_table_with(const gh_se_table *table, const gh_se_info *info, gh_str key, gh_se_table **out);
GH_MUST_USE gh_err gh_se_table_without(const gh_se_table *table, gh_se_kind kind, gh_str id, gh_se_table **out);

/* The table as octets. `image` comes from gh_se_pages_new(*len). GH_ELIMIT over GH_SE_MAX_IMAGE_BYTES. */
GH_MUST_USE gh_err gh_se_table_write(const gh_se_table *table, uint8_t **image, size_t *len);
/* GH_ESYNTAX when the octets are no table: out of order, cut, or with something behind. */
GH_MUST_USE gh_err gh_se_table_read(gh_str image, gh_se_table **out);

#endif
