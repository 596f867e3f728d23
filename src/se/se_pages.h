/* Memory for key material in plain: whole pages, left out of core dumps, wiped when given back. */
#ifndef GH_SE_SE_PAGES_H
#define GH_SE_SE_PAGES_H

#include <stddef.h>

/* Zeroed. Never NULL: aborts when the system has no memory, as gh_malloc does. */
void *gh_se_pages_new(size_t size) __attribute__((malloc, returns_nonnull));
void gh_se_pages_free(void *ptr, size_t size); /* size as asked for; ptr may be NULL */

#endif
