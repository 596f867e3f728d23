/* Assertions of other threads. */
#ifndef GH_TEST_MUST_H
#define GH_TEST_MUST_H

#include <stdio.h>
#include <stdlib.h>

/* For threads that are not the test's own, where cmocka's assertions cannot return to the test. */
#define MUST(condition)                                                                                              \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                  \
      abort();                                                                                                       \
    }                                                                                                                \
  } while (0)

#endif
