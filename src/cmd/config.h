/* The configuration of a realm: gatehouse.conf, read strictly (an unknown, missing, doubled or badly typed setting is
 * an error with file and line) from the same tables that `gatehouse init` writes it from. A plain struct; its arena
 * owns all text. */
#ifndef GH_CMD_CONFIG_H
#define GH_CMD_CONFIG_H

#include "base/log.h"
#include "base/random.h"
#include "client/conf_table.h"
#include "gatehouse/secret.h"
#include "link/tls.h"
#include "m2m/representation.h"
#include "se/se.h"

typedef enum gh_realm_kind { GH_REALM_MEF, GH_REALM_MAF, GH_REALM_CSE } gh_realm_kind;

/* The broker through which a CSE is reached over MQTT. */
typedef struct gh_realm_mqtt {
  gh_str broker;          /* "host:port", or empty: off */
  gh_str name;            /* FQDN in its certificate */
  gh_str prefix;          /* topic levels in front of /oneM2M */
  gh_conf_list listeners; /* "host:port": of the same broker, for others than this CSE */
  bool enforces;          /* it runs the list of `gatehouse cse mqtt-acl` */
  int64_t max_payload_bytes, max_under_way, max_under_way_each;
} gh_realm_mqtt;

/* One function of the realm. All paths are complete and NUL-terminated. */
typedef struct gh_realm_function {
  gh_str name; /* of its section; also of run/<name>.endpoint */
  gh_realm_kind kind;
  gh_str type;           /* "mef", "maf", "cse" */
  gh_str fqdn;           /* lower case */
  gh_conf_list names;    /* further FQDNs, lower case */
  gh_str cse_id, cse_rn; /* CSE: stem and name of the CSEBase; else first label of fqdn and base name */
  gh_str registrar_maf;  /* CSE: FQDN of the MAF between it and its registrar; empty: none */
  gh_str listen;         /* "127.0.0.1:0" */
  char listen_host[64];
  uint16_t listen_port;                 /* 0: the system chooses */
  gh_str coap_listen, coaps_tcp_listen; /* "host:port", or empty: off */
  gh_str endpoint;                      /* where others reach it: "auto" (run/<name>.endpoint) or "host:port" */
  gh_str reach;                         /* how the other functions do: cmd/reach.h */
  gh_str certificate;                   /* chain, PEM */
  gh_str public_keys; /* CSE: identifiers of its raw public key, blank between; empty: certificate */
  gh_str sealed;      /* secure environment: sealed file, opened with the realm's secret; holds the private key */
  gh_str store;
  gh_str security_policy; /* a name of link/security_policy.h */
  bool tls13;
  gh_str crl, crl_url, ocsp_responder;             /* empty: none */
  gh_str crl_policy, stapling_policy, ocsp_policy; /* "require", "soft", "off" */
  bool ocsp_staple;
  int64_t status_timeout_ms; /* of one question to a responder or CRL server */
  bool open_registration;
  gh_conf_list node_cses;                /* CSE: "CREDENTIAL-ID CSE-ID" */
  gh_realm_mqtt mqtt;                    /* CSE */
  gh_str registrar;                      /* CSE: stem of the CSE it registers at; empty: none */
  gh_str serialization_name;             /* CSE: "json", "cbor" */
  gh_representation serialization;       /* CSE: between it and its registrar */
  int64_t transit_ms;                    /* CSE: budget of a forwarded request */
  int64_t max_registration_s, max_key_s; /* longest lives of a client registration and of a registered key */
  int64_t fetch_timeout_ms;              /* budget of a key fetch in mid-handshake */
  int64_t max_fetches_per_address;       /* in hand, for each issuer and worker */
  int64_t negative_s;                    /* how long "no such key" is remembered */
  int64_t recheck_s;                     /* how often a fetched key is confirmed at its issuer */
} gh_realm_function;

/* Another service provider, whose IN-CSE ours talks with (reference point Mcc'). */
typedef struct gh_realm_provider {
  gh_str name;       /* of its section */
  gh_str cse;        /* absolute CSE-ID of its IN-CSE */
  gh_str sp;         /* FQDN of the provider, lower case */
  gh_str fqdn;       /* public domain name of the IN-CSE, lower case */
  gh_str anchors;    /* path of its trust anchors, PEM; empty: a provisioned key and nothing else */
  gh_str reach;      /* how to call it: cmd/reach.h */
  bool may_register; /* its IN-CSE may register at ours */
  bool registers;    /* ours registers there */
} gh_realm_provider;

typedef struct gh_realm_limits {
  int64_t workers;         /* threads of a process; 0: one for each processor */
  int64_t max_connections; /* per worker */
  int64_t max_handshakes;  /* in flight, per worker */
  int64_t max_connections_per_address, max_handshakes_per_address; /* per worker; 0: no bound */
  int64_t handshake_ms, idle_ms, request_ms;
  int64_t max_out_bytes; /* unsent octets of one connection */
  int64_t association_s; /* longest life of an association */
  int64_t max_head_bytes, max_body_bytes;
  int64_t datagram_mtu;
  int64_t max_audit; /* records kept */
} gh_realm_limits;

/* Paths of further trust anchors, PEM, each for certificates of one flavour alone; empty: none. */
typedef struct gh_realm_anchors {
  gh_str device, node, ae, cse;
} gh_realm_anchors;

enum { GH_REALM_MAX_FUNCTIONS = 16, GH_REALM_MAX_PROVIDERS = 16 };

typedef struct gh_realm {
  gh_arena arena;
  gh_str dir; /* where gatehouse.conf lies */
  gh_str sp_fqdn;
  gh_str anchors; /* path of the trust anchors, PEM */
  gh_realm_anchors anchors_for;
  gh_str secret;       /* path of the realm's secret */
  gh_str run;          /* folder of end points and revocations */
  gh_conf_list admins; /* absolute AE-IDs */
  gh_str in_cse;       /* stem of the IN-CSE */
  gh_realm_function functions[GH_REALM_MAX_FUNCTIONS];
  size_t function_count;
  gh_realm_provider providers[GH_REALM_MAX_PROVIDERS];
  size_t provider_count;
  gh_realm_limits limits;
  gh_str log_level_name, log_format_name;
  gh_log_level log_level;
  gh_log_format log_format;
  gh_str metrics_listen; /* "host:port", or empty: off */
} gh_realm;

/* `path` is the configuration file, or the folder of a realm. Release with gh_realm_free, also after an error. */
GH_MUST_USE gh_err gh_realm_read(const char *path, gh_realm *out, gh_diag *diag);
void gh_realm_free(gh_realm *realm);

/* config_providers.c: the group `providers`, after the functions; and what stands in an entry. */
GH_MUST_USE gh_err gh_realm_read_providers(const gh_conf *conf, gh_realm *realm, gh_diag *diag);
extern const gh_conf_table gh_realm_provider_table;
/* Whoever registers nowhere is the IN-CSE, and the one that meets other providers. */
bool gh_realm_is_in_cse(const gh_realm_function *function);
/* The names and anchors of the other providers, for the servers of the IN-CSE; read now, text in `arena`. */
GH_MUST_USE gh_err gh_realm_guests(const gh_realm *realm, gh_arena *arena, gh_tls_options *out, gh_diag *diag);

/* By name of the section, or by FQDN; NULL. */
const gh_realm_function *gh_realm_function_named(const gh_realm *realm, gh_str name);
/* GH_ENOTFOUND, with the names that there are. */
gh_err gh_realm_lacks(const gh_realm *realm, gh_str name, gh_diag *diag);
const gh_realm_function *gh_realm_function_of(const gh_realm *realm, gh_str fqdn);
/* The first one of a kind; NULL. */
const gh_realm_function *gh_realm_first(const gh_realm *realm, gh_realm_kind kind);

/* Where the function `fqdn` of this realm is reached now: `host` holds a numeric address or a name. GH_ENOTFOUND when
 * no function has that FQDN, or it is "auto" and not running. */
enum { GH_ENDPOINT_HOST_BYTES = 256 };
GH_MUST_USE gh_err gh_realm_endpoint(const gh_realm *realm, gh_str fqdn, char host[static GH_ENDPOINT_HOST_BYTES],
                                     uint16_t *port, gh_diag *diag);
/* The serving process tells the others (run/<name>.endpoint, replaced as a whole). */
GH_MUST_USE gh_err gh_realm_announce(const gh_realm *realm, const gh_realm_function *function, uint16_t port,
                                     gh_diag *diag);

/* The same for a further binding: run/<name>.<binding>.endpoint. And what stands there: 0 when nothing. */
GH_MUST_USE gh_err gh_realm_announce_binding(const gh_realm *realm, const gh_realm_function *function,
                                             const char *binding, const char *host, uint16_t port, gh_diag *diag);
GH_MUST_USE gh_err gh_realm_announced(const gh_realm *realm, const gh_realm_function *function, const char *binding,
                                      char host[static GH_ENDPOINT_HOST_BYTES], uint16_t *port, gh_diag *diag);
uint16_t gh_realm_announced_port(const gh_realm *realm, const gh_realm_function *function, const char *binding);

/* Opens the sealed file of a function with the realm's secret. */
GH_MUST_USE gh_err gh_realm_open_se(const gh_realm *realm, const gh_realm_function *function, const gh_random *random,
                                    gh_se **out, gh_diag *diag);
/* The same of the sealed file of a further name. */
GH_MUST_USE gh_err gh_realm_open_name_se(const gh_realm *realm, const gh_realm_function *function, gh_str fqdn,
                                         const gh_random *random, gh_se **out, gh_diag *diag);
/* The function's certificate chain, private key and anchors, and those of its further names. All text lives in
 * `arena`: gh_realm_wipe_credentials after use, also after an error. */
GH_MUST_USE gh_err gh_realm_credentials(const gh_realm *realm, const gh_realm_function *function, gh_se *se,
                                        gh_arena *arena, gh_tls_options *out, gh_diag *diag);
void gh_realm_wipe_credentials(const gh_tls_options *tls);
/* Where certificate and key (under the FQDN in a sealed file) of a further name are: beside the function's. */
gh_str gh_realm_name_certificate(gh_arena *arena, const gh_realm_function *function, gh_str fqdn);
gh_str gh_realm_name_sealed(gh_arena *arena, const gh_realm_function *function, gh_str fqdn);

/* Tables, for init: what stands in the file, with defaults and comments. */
extern const gh_conf_table gh_realm_table, gh_realm_function_table, gh_realm_mqtt_table, gh_realm_limits_table;

#endif
