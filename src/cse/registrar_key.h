/* The key with which this CSE proves itself to its registrar, where a MAF stands between them: this CSE as Entity A
 * of the MAF-based framework (TS-0003 8.2.2.3). It is a MAF client by its certificate, registers a key for its
 * registrar there, renews it before it ends, and gets another when the MAF does not know it any more. The key is in
 * the keyring (GH_KEY_KC); whoever opens the association looks there. All calls but `new` and `free` on the first
 * worker. */
#ifndef GH_CSE_REGISTRAR_KEY_H
#define GH_CSE_REGISTRAR_KEY_H

#include "host/host.h"

typedef struct gh_registrar_key gh_registrar_key;

/* NULL when the configuration has no MAF between this CSE and its registrar; the others take NULL. */
gh_registrar_key *gh_registrar_key_new(gh_host *host);
/* Now and then: does what is due. */
void gh_registrar_key_tick(gh_registrar_key *key);
/* Can an association be opened? True without a MAF. */
bool gh_registrar_key_is_there(const gh_registrar_key *key);
void gh_registrar_key_stop(gh_registrar_key *key);
/* After the workers have ended. */
void gh_registrar_key_free(gh_registrar_key *key);

#endif
