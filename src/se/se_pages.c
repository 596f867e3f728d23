/* Owns the pages that hold keys in plain. Must never share a page with anything else. */
#include "se/se_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "gatehouse/secret.h"

void *gh_se_pages_new(size_t size)
{
  void *ptr = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ptr == MAP_FAILED) {
    fputs("gatehouse: out of memory for keys\n", stderr);
    abort();
  }
  /* Both are hygiene, not a promise: a kernel or a limit may refuse them. */
  (void)madvise(ptr, size ? size : 1, MADV_DONTDUMP);
  (void)mlock(ptr, size ? size : 1);
  return ptr;
}

void gh_se_pages_free(void *ptr, size_t size)
{
  if (!ptr) return;
  gh_wipe(ptr, size);
  munmap(ptr, size ? size : 1);
}
