/* The parts of a registration: what is sent (registration_request.c), what is kept of the other side
 * (registrar_picture.c), and when (registration.c). All of it belongs to the first worker. */
#ifndef GH_CSE_REGISTRATION_PRIVATE_H
#define GH_CSE_REGISTRATION_PRIVATE_H

#include "cse/registrar_key.h"
#include "cse/registration.h"

/* This CSE at one other: its registrar, or the IN-CSE of another provider. */
typedef struct gh_registration {
  gh_host *host;
  gh_str registrar; /* absolute */
  bool foreign;     /* of another provider */
  bool leaving;     /* there is no agreement any more: it is to be taken back */
  bool known;       /* the registrar has our <remoteCSE>: UPDATE it */
  bool assumed;     /* because it said so, under whatever name */
  bool busy, over;
  gh_str poa;
  int64_t due_us; /* monotonic */
  int64_t retry_s;
  /* of several threads, and in no word of the others */
  atomic_bool changed;  /* the routes */
  atomic_bool there;    /* registered, as far as was heard */
  atomic_bool pictured; /* and that is stored */
} gh_registration;

/* The request that is due: CREATE, UPDATE, or DELETE of the <remoteCSE> there. */
GH_MUST_USE gh_err gh_registration_fill(const gh_registration *r, gh_arena *arena, gh_request *request);

/* The <remoteCSE> of the registrar here: put it where it is missing, or take it away. */
void gh_registrar_picture_put(gh_registration *r);
void gh_registrar_picture_remove(gh_registration *r);
/* Has this CSE been registered at the provider? */
bool gh_registrar_picture_is_there(gh_host *host, gh_str provider);

#endif
