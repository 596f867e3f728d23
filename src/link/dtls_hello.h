/* What a stranger's first datagram says, and the answer that costs nothing to remember: read and written here, so
 * that OpenSSL has work only with those who receive where they send from. */
#ifndef GH_LINK_DTLS_HELLO_H
#define GH_LINK_DTLS_HELLO_H

#include "gatehouse/error.h"
#include "gatehouse/str.h"

enum { GH_DTLS_COOKIE_BYTES = 32, GH_DTLS_VERIFY_BYTES = 13 + 12 + 3 + GH_DTLS_COOKIE_BYTES };

/* GH_ESYNTAX: no ClientHello, nor the beginning of one with its cookie; to be dropped. The cookie borrows from the
 * datagram; empty when there is none. */
GH_MUST_USE gh_err gh_dtls_hello_read(gh_str datagram, gh_str *cookie);
/* HelloVerifyRequest for a hello that gh_dtls_hello_read took (it is no shorter). */
void gh_dtls_verify_request(gh_str hello, const uint8_t cookie[static GH_DTLS_COOKIE_BYTES],
                            uint8_t out[static GH_DTLS_VERIFY_BYTES]);

#endif
