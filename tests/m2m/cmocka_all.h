/* cmocka wants these before it. */
#ifndef GH_TEST_CMOCKA_ALL_H
#define GH_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gatehouse/str.h"

#define assert_str(got, want)                                                                                        \
  do {                                                                                                               \
    gh_str got_ = (got), want_ = gh_str_of(want);                                                                    \
    if (!gh_str_eq(got_, want_)) fail_msg("got \"%.*s\", want \"%.*s\"", GH_STR_ARG(got_), GH_STR_ARG(want_));       \
  } while (0)

#endif
