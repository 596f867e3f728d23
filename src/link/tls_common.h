/* Shared by tls_server.c and tls_client.c: suites, groups, ex_data slot. */
#ifndef GH_LINK_TLS_COMMON_H
#define GH_LINK_TLS_COMMON_H

#include "link/tls.h"

/*= TS-0003 10.2.2; TS-0003 10.2.3 */
#define GH_TLS12_CERT_SUITES "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-CCM8"
#define GH_TLS12_PSK_SUITES "ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256:PSK-AES128-CCM8"
/*= TS-0003 10.2.2; TS-0003 10.2.3 over UDP: those of the constrained come first */
#define GH_DTLS12_CERT_SUITES "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256"
#define GH_DTLS12_PSK_SUITES "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256:ECDHE-PSK-AES128-CBC-SHA256"
#define GH_TLS13_SUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256"

GH_MUST_USE gh_err gh_tls_ctx_new(const SSL_METHOD *method, const gh_tls_options *options, const char *suites,
                                  SSL_CTX **out, gh_diag *diag);
void gh_tls_set_handshake(SSL *ssl, gh_handshake *handshake);
gh_handshake *gh_tls_handshake(const SSL *ssl);
/* Text of the newest OpenSSL error; empties the queue. */
const char *gh_tls_error(char *text, size_t size);

#endif
