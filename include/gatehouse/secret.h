/* Key material in memory. A gh_secret cannot be logged (GH_F has no case for it), is compared in
 * constant time and is wiped by its owner. */
#ifndef GATEHOUSE_SECRET_H
#define GATEHOUSE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/error.h"

enum { GH_SECRET_MAX_BYTES = 64 };

typedef struct gh_secret {
  uint8_t bytes[GH_SECRET_MAX_BYTES];
  size_t len;
} gh_secret;

/* Overwrites memory in a way the compiler must not remove. */
void gh_wipe(void *ptr, size_t len);

/* GH_ELIMIT when len > GH_SECRET_MAX_BYTES. */
GH_MUST_USE gh_err gh_secret_set(gh_secret *secret, const void *bytes, size_t len);
void gh_secret_wipe(gh_secret *secret);

/* Constant time in the content (not in the lengths). */
bool gh_secret_equal(const gh_secret *a, const gh_secret *b);
bool gh_bytes_equal_ct(const void *a, const void *b, size_t len);

#endif
