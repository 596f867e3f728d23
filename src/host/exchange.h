/* One request on its way through the house. It owns an arena; each step reads what earlier steps put there and adds
 * its part. */
#ifndef GH_HOST_EXCHANGE_H
#define GH_HOST_EXCHANGE_H

#include "authz/authz.h"
#include "base/loop.h"
#include "host/node.h"
#include "host/tree.h"
#include "link/conn.h"
#include "m2m/primitive.h"
#include "store/store.h"

typedef struct gh_host gh_host;
typedef struct gh_exchange gh_exchange;

struct gh_exchange {
  /* set by the binding */
  gh_arena arena;
  gh_request request;
  gh_response response;
  gh_host *host;
  gh_worker *worker;
  gh_peer peer; /* text in the arena */
  uint64_t association;
  uint8_t address_family;
  uint8_t address[16];
  gh_str address_text;
  int64_t received_us; /* wall clock */
  gh_err (*export_key)(gh_exchange *x, const char *label,
                       uint8_t out[static 48]); /* on the worker only; NULL: no association */
  void (*bind_peer)(gh_exchange *x,
                    gh_str ae_id); /* on the worker, before done: the association now stands for this AE-ID */
  void (*done)(gh_exchange *x);    /* on the worker */
  void *owner;

  /* set by identify */
  gh_str originator;  /* absolute; empty while an AE-ID is still to be assigned */
  bool authenticated; /* rq_authn, TS-0003 7.1.2 */
  gh_str
      claimed_stem; /* behind the CSE-ID, where a registrar asks for an AE-ID-Stem (TS-0001 10.2.2.2): "S", "Sxx" */

  /* set by prepare */
  bool has_export;
  uint8_t export_bootstrap[48], export_connection[48];

  /* set by ahead */
  void *ahead;                  /* of the function: what it learned elsewhere; in the arena */
  void (*undo)(gh_exchange *x); /* on the worker, when the write is refused after all */

  /* set by route */
  gh_view view;
  gh_node *target;      /* reference */
  gh_str attribute;     /* behind '#' */
  bool through_virtual; /* la, ol */

  /* set by decide */
  gh_decision decision;
  gh_str trace; /* for the operator */

  /* set by perform */
  gh_store_txn *txn; /* writer only */
  gh_str new_id, new_name, new_creator, new_extra;
  gh_node *shown;        /* reference: response.body borrows from it */
  gh_str assigned_ae_id; /* absolute: bind the association to it */
  gh_diag diag;
  bool change_audited; /* a change of keys, policies or registrations: audit its success too */

  gh_store_job job;
  gh_task task;
};

/* The gate: identify, route, decide, audit, perform. On the worker; `done` is called exactly once, now or later. */
void gh_gate_submit(gh_exchange *x);
/* Releases what the exchange holds (not the struct). */
void gh_exchange_clear(gh_exchange *x);
/* Sets response code and debug text; returns rsc. The text may name fields, never secrets or policies. */
int gh_refuse(gh_exchange *x, int rsc, const char *fmt, ...) GH_PRINTF(3, 4);

#endif
