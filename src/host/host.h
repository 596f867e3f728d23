/* A host of oneM2M resources: the engine on which every function (CSE, MAF, MEF) stands. A function is a table of
 * resource types and three questions: who is asking, what lies outside the tree, what is the base resource. */
#ifndef GH_HOST_HOST_H
#define GH_HOST_HOST_H

#include "base/loop.h"
#include "host/exchange.h"
#include "host/keyring.h"
#include "host/outbound.h"
#include "host/provider.h"
#include "host/tree.h"
#include "link/key_source.h"
#include "link/worker.h"
#include "se/se.h"

/* What the engine must know of a resource type. One file and one table row each. Hooks may be NULL. All but retrieve
 * run on the writer thread; they return a response status code and, on refusal, a diagnostic in x->diag. */
typedef struct gh_type_ops {
  uint32_t ty;
  bool follows_parent; /* no acpi of its own: the parent's policy governs (TS-0001 9.6.1.3.2) */
  /* Access decided by the function instead of by access control policies: a pure function of exchange and target. */
  gh_decision (*decide)(const gh_exchange *x, const gh_node *target);
  /* Permits what no policy says; a pure function of exchange and tree. */
  bool (*also_permits)(const gh_exchange *x, const gh_node *target);
  /* Refuses what policies would permit: the reason, else NULL; a pure function of configuration and tree. */
  const char *(*forbids)(const gh_host *host, gh_op op, const gh_node *target);
  /* Completes the attributes of a new resource (what the server sets); may choose x->new_id and x->new_name. */
  int (*create)(gh_exchange *x, const gh_node *parent, gh_val *attrs);
  /* After the resource is in the tree: counters of the parent, keys. */
  int (*created)(gh_exchange *x, const gh_node *parent, const gh_node *node);
  /* `merged` is the resource with the changes applied. */
  int (*update)(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes);
  /* May it be read now (beyond access rights)? */
  int (*check_retrieve)(gh_exchange *x, const gh_node *target);
  /* Changes what is shown; set when the stored body may not be shown as it is. */
  int (*retrieve)(gh_exchange *x, const gh_node *target, gh_val *attrs);
  int (*remove)(gh_exchange *x, const gh_node *target);
  /* At start, for every stored resource of the type: what is kept in memory beside the tree. */
  void (*loaded)(gh_host *host, const gh_node *node);
  /* Name of a virtual child -> the resource it stands for (reference), or NULL. */
  gh_node *(*virtual_child)(gh_exchange *x, const gh_node *parent, gh_str name);
  bool is_virtual_name_reserved;
} gh_type_ops;

typedef struct gh_function {
  const char *name; /* "cse", "mef", "maf" */
  uint32_t base_ty;
  bool forwards;       /* requests for other CSEs go through it */
  int past_expiry_rsc; /* code for an expirationTime that has passed */
  const gh_type_ops *const *types;
  size_t type_count;
  /* Who is the originator really? Sets x->originator; 2000 or a refusal (TS-0003 7.2, TS-0004 7.3.2.1). On the
   * worker. */
  int (*identify)(gh_exchange *x);
  /* Work that needs the association itself (exporter), on the worker before the request is queued. */
  int (*prepare)(gh_exchange *x);
  /* Before a write is queued, on the worker: what must be asked elsewhere first. True: it is under way, and go_on is
   * called with x->response.rsc 2000 or a refusal. */
  bool (*ahead)(gh_exchange *x, void (*go_on)(gh_exchange *x));
  /* Addresses outside the tree; sets *handled. On the worker. */
  int (*special)(gh_exchange *x, bool *handled);
  /* CREATE whose access is not judged by policies (registration). */
  bool (*skips_policies)(const gh_exchange *x);
  /* Attributes of the base resource, but for its times. */
  gh_val *(*base)(gh_host *host, gh_arena *arena);
  /* Whom does a verified certificate stand for? */
  gh_err (*name_peer)(gh_host *host, gh_cert_flavour flavour, gh_str name, int64_t not_after_us, gh_peer *peer);
  /* Whom does a raw public key stand for? As gh_key_source.name_public_key; NULL: the function takes none. */
  gh_err (*name_public_key)(gh_host *host, gh_str spki, gh_peer *peer);
  /* Which key has this identity? As gh_key_source.find_psk. */
  gh_err (*find_psk)(gh_host *host, gh_psk_query *query);
  /* The registration here of that CSE (absolute CSE-ID): a reference, or NULL. On the worker. */
  gh_node *(*registered_cse)(gh_host *host, gh_arena *arena, gh_str cse);
  /* As gh_key_source.settle_peer. */
  void (*settle_peer)(gh_host *host, gh_peer *peer);
  /* The host is reached at this point of access from now on; and: it is about to stop (the workers still run). */
  void (*serving)(gh_host *host, gh_str poa);
  void (*stopping)(gh_host *host);
  void (*closed)(gh_host *host); /* the workers have ended: frees host->own */
} gh_function;

typedef struct gh_host_counters {
  atomic_uint_fast64_t requests, permitted, refused, failed;
  atomic_uint_fast64_t by_rsc[64];
  atomic_uint_fast64_t impersonations, keys_fetched, keys_refused, revocations;
} gh_host_counters;

typedef struct gh_cse_place { /* absolute CSE-IDs */
  gh_str cse, through;
} gh_cse_place;

struct gh_host_config {
  gh_self self;
  gh_str fqdn;    /* MAF-FQDN, MEF-FQDN, or the public domain name of the CSE */
  gh_str *admins; /* absolute IDs of administrators: a certificate names them */
  size_t admin_count;
  gh_str *mafs; /* MAF-FQDNs this host fetches keys from */
  size_t maf_count;
  gh_str *mefs;
  size_t mef_count;
  gh_str *node_cses; /* "CREDENTIAL-ID CSE-ID": whom certificates of nodes and devices stand for */
  size_t node_cse_count;
  gh_str *keyed_cses; /* FQDNs of CSEs that have raw public keys: no certificate stands for them */
  size_t keyed_cse_count;
  const gh_cse_place *cse_places; /* CSE: where others are, as far as the operator has said */
  size_t cse_place_count;
  int cse_type;         /* m2m:cseTypeID: 1 IN, 2 MN, 3 ASN */
  gh_str registrar;     /* absolute CSE-ID of the CSE this one registers at; empty: none */
  gh_str registrar_maf; /* FQDN of the MAF whose keys open the association with the registrar; empty: none */
  gh_representation serialization; /* CSE: of requests to the registrar; also the one it is told to send here */
  int64_t transit_us;              /* budget of a forwarded request */
  bool open_registration; /* any authenticated credential may register an AE; else only one with a known identity */
  int64_t max_registration_us;      /* longest life of a client registration */
  int64_t max_key_us;               /* longest life of a registered key */
  int64_t fetch_timeout_us;         /* budget of a key fetch in mid-handshake */
  uint32_t max_fetches_per_address; /* questions for keys never held here that one address may have in hand, for each
                                       issuer and worker; 0: no bound */
  int64_t negative_us;              /* how long "no such key" is remembered */
  int64_t recheck_us;               /* how often a fetched key is confirmed at its issuer */
  const char
      *revocation_path; /* file through which hosts of one machine tell each other of revoked keys; may be NULL */
  const gh_str *points; /* CSE: URLs of where it is reached, for its <CSEBase> */
  size_t point_count;
  const gh_provider *providers; /* IN-CSE: the other service providers */
  size_t provider_count;
};

struct gh_host {
  const gh_function *function;
  gh_host_config config;
  gh_clock clock;
  gh_random random;
  gh_log log;
  gh_store *store;
  gh_tree *tree;
  gh_keyring *keyring;
  gh_se *se;
  gh_outbound outbound;
  gh_worker **workers;
  size_t worker_count;
  gh_key_source key_source;
  struct gh_fetcher *fetcher;
  struct gh_after *after; /* writer only: what to do once this batch is on disk */
  struct gh_revocation *revocation;
  struct gh_id_map *credentials; /* CSE: Credential-ID -> AE-ID; MAF, MEF: client and stakeholder -> registration */
  struct gh_id_map *routes;      /* CSE: CSE-ID -> CSE-ID of the registered CSE that leads there; absolute */
  struct gh_id_map *subscribed_nodes; /* CSE: CSE-ID -> ri of its <serviceSubscribedNode> */
  _Atomic(void *) own;                /* of the function; the writer may look while it comes */
  struct gh_sweeper *sweeper;
  gh_host_counters counters;
};

typedef struct gh_host_options {
  const gh_function *function;
  gh_host_config config; /* text must outlive the host */
  const char *store_path;
  gh_se *se; /* must outlive the host */
  gh_clock clock;
  gh_random random;
  gh_log log;
  gh_worker **workers;
  size_t worker_count;
  gh_outbound outbound; /* may be empty: nothing can be fetched */
  bool readonly;        /* look at the store of a host that may be running: no keys, no changes, no workers */
} gh_host_options;

GH_MUST_USE gh_err gh_host_open(const gh_host_options *options, gh_host **out, gh_diag *diag);
/* While the workers still run: no more timers of this host. */
void gh_host_stop(gh_host *host);
/* While the loops run: finishes what waits for the store; its answers are posted. */
void gh_host_close_store(gh_host *host);
/* After the workers have ended. */
void gh_host_close(gh_host *host);

const gh_type_ops *gh_host_type(const gh_host *host, uint32_t ty);
/* Tells the function where it is reached; after this its own outgoing work begins. */
void gh_host_serving(gh_host *host, gh_str poa);
/* Hooks for types without rules of their own beyond the tables. */
int gh_type_update_freely(gh_exchange *x, const gh_node *target, gh_val *merged, const gh_val *changes);
int gh_type_remove_freely(gh_exchange *x, const gh_node *target);
/* Who bears a verified certificate, by the names of the realm: an AE-ID, a function's FQDN, or a CSE's public domain
 * name. */
GH_MUST_USE gh_err gh_host_name_peer(gh_host *host, gh_cert_flavour flavour, gh_str name, int64_t not_after_us,
                                     gh_peer *peer);
/* Whom the administrator configured a raw public key for. GH_ENOTFOUND, GH_EEXPIRED. */
GH_MUST_USE gh_err gh_host_name_public_key(gh_host *host, gh_str spki, gh_peer *peer);
/* Is the FQDN in the list? Letter case does not matter. */
bool gh_host_lists(const gh_str *names, size_t count, gh_str fqdn);
bool gh_host_is_admin(const gh_host *host, const gh_peer *peer);
/* Is this (absolute) the identity of an administrator, whoever says so? Nobody else may come to bear it. */
bool gh_host_names_admin(const gh_host *host, gh_str id);
int64_t gh_host_now_us(const gh_host *host);

/* Writer thread: fn(ctx) once the current batch is on disk; drop(ctx) either way afterwards. */
void gh_host_after_commit(gh_host *host, void (*fn)(gh_host *host, void *ctx), void (*drop)(void *ctx), void *ctx);

/* Any thread: a key (canonical identifier) is revoked: associations, cached keys and other hosts of this machine
 * learn of it. */
void gh_host_revoke_key(gh_host *host, gh_str key_id);

#endif
