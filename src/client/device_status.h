/* Is a certificate of the CSE or broker, or of whoever says to be the CSE, revoked? By the sources that the device
 * was given: a file with lists, lists over HTTP, a responder, stapled answers. A list or answer that came counts to
 * its end, whatever becomes of its source. Touched by the device's thread alone. */
#ifndef GH_CLIENT_DEVICE_STATUS_H
#define GH_CLIENT_DEVICE_STATUS_H

#include "client/device_lists.h"
#include "client/device_responder.h"
#include "crypto/crl_file.h"
#include "gatehouse/client.h"
#include "link/status_source.h"

typedef struct gh_device_status {
  gh_status_source source;  /* waits inside the handshake; outlives every context that asks it */
  const gh_clock *clock;    /* the device's */
  const gh_web *web;        /* NULL: the network */
  gh_device_revocation use; /* the policies are never USUAL, text is owned */
  uint32_t timeout_ms;      /* of asking, in one handshake */
  char *path;               /* that of `use`; NULL: none */
  gh_crl_set *lists;
  gh_crl_file file; /* as it was looked at last */
  gh_device_lists *fetched;
  gh_device_responder *responder;
  unsigned generation; /* grows with each new list, and where an answer revokes */
} gh_device_status;

void gh_device_status_init(gh_device_status *status, const gh_clock *clock);
void gh_device_status_free(gh_device_status *status);
/* From now on by these, without USUAL; what is known stays where they are as before. */
void gh_device_status_use(gh_device_status *status, const gh_device_revocation *use, uint32_t timeout_ms);
/* Reads the file when it is another than before, takes what came over HTTP, and asks there again where it is time to;
 * never waits. The error is that of the file as it is now; what was read before still counts. */
gh_err gh_device_status_look(gh_device_status *status, gh_diag *diag);
/* NULL: nobody asks. */
const gh_status_source *gh_device_status_source(const gh_device_status *status);

/* For who must not wait: what is known decides, or the question is an early one: *result, and what goes with it in
 * the query. False: ask, look, and come again while a question is under way; then it was silence. */
bool gh_device_status_known(gh_device_status *status, gh_status_query *query, gh_err *result);
bool gh_device_status_ask(gh_device_status *status, gh_status_query *query);
gh_err gh_device_status_silence(const gh_device_status *status, gh_status_query *query);

#endif
