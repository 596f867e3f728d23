/* The OCSP responder that a device asks, and its answers, remembered to their end. Touched by the device's thread
 * alone; only the asking runs elsewhere. */
#ifndef GH_CLIENT_DEVICE_RESPONDER_H
#define GH_CLIENT_DEVICE_RESPONDER_H

#include "base/clock.h"
#include "client/web_thread.h"
#include "crypto/cert_status.h"

typedef struct gh_device_responder gh_device_responder;

/* `clock` and `web` (NULL: the network) outlive it, the URL is copied. */
gh_device_responder *gh_device_responder_new(gh_str url, uint32_t timeout_ms, const gh_clock *clock,
                                             const gh_web *web);
void gh_device_responder_free(gh_device_responder *responder); /* NULL is allowed */
/* What it has said, and still holds. */
gh_cert_state gh_device_responder_said(gh_device_responder *responder, X509 *cert, int64_t now_us);
/* Asks, unless it was silent a moment ago. True: a question is under way. */
bool gh_device_responder_ask(gh_device_responder *responder, X509 *cert, X509 *issuer);
/* Asks again about those of whom it spoke, half-way to the end of what it said. */
void gh_device_responder_ask_again(gh_device_responder *responder);
/* Takes what has come; true: a certificate is revoked that was not before. */
bool gh_device_responder_collect(gh_device_responder *responder);

#endif
