/* First datagrams of DTLS from strangers: a cookie lies within its datagram, and our answer is no longer than it. */
#include <stdlib.h>

#include "link/dtls_hello.h"

#define MUST(cond)                                                                                                   \
  do {                                                                                                               \
    if (!(cond)) abort();                                                                                            \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const uint8_t mine[GH_DTLS_COOKIE_BYTES] = {1, 2, 3};
  uint8_t request[GH_DTLS_VERIFY_BYTES];
  gh_str datagram = {(const char *)data, size}, cookie = GH_STR_NONE;
  if (gh_dtls_hello_read(datagram, &cookie) != GH_OK) return 0;
  MUST(!cookie.len || (cookie.ptr > datagram.ptr && cookie.ptr + cookie.len <= datagram.ptr + size));
  gh_dtls_verify_request(datagram, mine, request);
  MUST(request[0] == 22 && memcmp(request + 5, data + 5, 6) == 0);
  return 0;
}
