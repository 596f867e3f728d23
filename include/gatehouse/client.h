/* The device library: a device (an AE) with its own state folder becomes enrolled at a MEF, a client of a MAF, and a
 * registered AE of a CSE; then it sends requests. All calls wait for their end; one thread at a time uses a device.
 *
 *   gh_device_create -> (the operator tells the MEF of KpmID and Kpm) -> gh_device_enrol -> gh_device_join_maf
 *   -> gh_device_register_key -> gh_device_register -> gh_device_request ...
 *
 * The folder holds device.conf (whom to talk to, for people to read), secret (passphrase of the sealed file, mode
 * 0600), keys.sealed (the keys), state.json (identifiers and end times; no secret). It has mode 0700.
 *
 * Errors: GH_OK means that a response came, whatever its code: gh_reply.rsc says what it was (below 4000: done).
 * GH_EAUTH: the entity refused the association, or did not prove itself; gh_reply.alert says how. GH_ECONN,
 * GH_ETIMEOUT: not reached. GH_EEXPIRED, GH_ENOTFOUND: a credential that this step needs is past its end or was never
 * obtained (*diag says which step brings it). */
#ifndef GATEHOUSE_CLIENT_H
#define GATEHOUSE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "gatehouse/error.h"
#include "gatehouse/secret.h"
#include "gatehouse/str.h"

typedef struct gh_device gh_device;

/* An entity to talk to. `endpoint` is "host:port", "[v6]:port" or "file:PATH" of a file that holds one such line. */
typedef struct gh_device_peer {
  gh_str fqdn;
  gh_str endpoint;
  gh_str coap, coaps_tcp; /* the same for CoAP over DTLS and over TLS; empty: not reached so */
} gh_device_peer;

typedef struct gh_device_config {
  gh_str sp_id;  /* FQDN of the service provider; also the administrating stakeholder (adminFQDN) */
  gh_str cse_id; /* stem of the registrar CSE: "in-cse" */
  gh_str cse_rn; /* name of its CSEBase: "cse-in" */
  gh_device_peer cse, mef, maf;
  gh_str kpm_id; /* KpmID, "name@MEF-FQDN" (TS-0003 10.5) */
  /* "http", "coap" (over DTLS), "coaps_tcp"; with the CSE alone (with the others HTTP): "ws", "mqtt" */
  gh_str binding;
  gh_str serialization;   /* "json", "cbor": of requests to the CSE, and of those that the device asks it for */
  gh_str mqtt_broker;     /* "host:port" of the listener for pre-shared keys; needed for "mqtt" */
  gh_str mqtt_name;       /* FQDN of the broker (SNI) */
  gh_str mqtt_prefix;     /* topic levels in front of /oneM2M, or empty */
  gh_str security_policy; /* "modern", "ts0003-r3", "constrained": suites, groups, versions */
  bool tls13;             /* offer TLS 1.3 beside 1.2, where the policy has it */
  int64_t timeout_ms;     /* of a handshake and of a request */
  int64_t datagram_mtu;   /* CoAP over DTLS: largest IP packet */
  int64_t registration_s; /* life that is asked for client registrations; the server may shorten it */
  int64_t key_s;          /* life that is asked for registered keys */
} gh_device_config;

/* What the last response said. Text lives until the next call with the same device. */
typedef struct gh_reply {
  int rsc;              /* response status code (TS-0004 6.6); 0: no response came */
  const char *rsc_name; /* "ORIGINATOR_HAS_NO_PRIVILEGE" */
  int alert;            /* TLS alert that ended the handshake (RFC 8446 6); -1: none */
  gh_str rqi;           /* request identifier */
  gh_str content;       /* JSON; empty: none */
  gh_str location;      /* address of a created resource; empty: none */
} gh_reply;

/* What a device knows of itself; empty text and 0: not yet. Times are microseconds since 1970 (UTC); 0 also: no end.
 */
typedef struct gh_device_state {
  gh_str kpm_id;
  gh_str ke_id; /* KeID, TS-0003 10.3.4 */
  int64_t ke_until_us;
  gh_str mef_reg_id; /* MEFClientRegID */
  gh_str mef_key_id; /* key registered at the MEF */
  int64_t mef_key_until_us;
  gh_str maf_reg_id; /* MAFClientRegID */
  gh_str km_id;      /* KmID */
  int64_t km_until_us;
  gh_str kc_id; /* KcID, TS-0003 10.3.5 */
  int64_t kc_until_us;
  gh_str kpsa_id;        /* KpsaID, TS-0003 10.5 */
  gh_str ae_id;          /* AE-ID-Stem */
  gh_str public_key_id;  /* of the own raw public key, "ni:///sha-256;..", TS-0003 10.1.2 */
  gh_str cse_key_ids;    /* one of which the CSE's raw public key must have, blank between them */
  gh_str certificate_id; /* Credential-ID of the own certificate, TS-0003 10.4: "33-//sp/in-cse/Cmeter" */
  int64_t certificate_until_us;
} gh_device_state;

/* Fills what has a default; the rest is empty. */
GH_NONNULL void gh_device_config_defaults(gh_device_config *config);

/* Makes the folder, which must not exist or be empty. Kpm (16 to 64 octets) goes into the sealed file; the caller
 * wipes its copy. `passphrase_file`: path of an existing private file that holds the passphrase of the sealed file,
 * so that it need not lie in the folder; NULL: `secret` is made there. GH_EEXIST; GH_EINVAL names the parameter.
 * TS-0003 8.3.1.2 phase 1. */
GH_MUST_USE gh_err gh_device_create(const char *dir, const gh_device_config *config, const gh_secret *kpm,
                                    const char *passphrase_file, gh_diag *diag);
/* Opens the folder. `passphrase_file` as above. GH_EACCES when others can read what is private, GH_ETAMPER,
 * GH_ESYNTAX. */
GH_MUST_USE gh_err gh_device_open(const char *dir, const char *passphrase_file, gh_device **out, gh_diag *diag);
void gh_device_close(gh_device *device); /* NULL is allowed */

/* Speaks "http", "coap" or "coaps_tcp" from now on, instead of what device.conf says. GH_EINVAL. */
GH_MUST_USE gh_err gh_device_use_binding(gh_device *device, gh_str binding, gh_diag *diag);

/* Likewise "json" or "cbor" (TS-0004 8.4, 8.5): for requests to the CSE, and, told it with gh_device_register or
 * gh_device_announce (contentSerialization), for requests from there. What comes is read in either. GH_EINVAL. */
GH_MUST_USE gh_err gh_device_use_serialization(gh_device *device, gh_str serialization, gh_diag *diag);

GH_NONNULL const gh_device_config *gh_device_config_get(const gh_device *device);
GH_NONNULL const gh_device_state *gh_device_state_get(const gh_device *device);

/* A key that is registered at the MEF while enrolling (TS-0003 8.3.5.2.7): for whom, and for what. */
typedef struct gh_key_wish {
  int suid;      /* m2m:suid, 21 to 25 */
  gh_str target; /* absolute AE-ID or CSE-ID, or a MAF-FQDN with 21 */
} gh_key_wish;

/* Pre-shared-key RSPF (TS-0003 8.3.2.1, 8.3.5): TLS-PSK with Kpm; Ke and KeID from the exporter; MEF client
 * registration, or its update, which also makes the MEF take the new Ke; the MEF's commands until NO_MORE_COMMANDS;
 * Km for the MAF from Ke. `wish` may be NULL. */
GH_MUST_USE gh_err gh_device_enrol(gh_device *device, const gh_key_wish *wish, gh_reply *reply, gh_diag *diag);
/* MAF client registration (TS-0003 8.8.2.3): TLS-PSK with KeID and Km; obtains KmID. With a new Ke the registration
 * is updated. */
GH_MUST_USE gh_err gh_device_join_maf(gh_device *device, gh_reply *reply, gh_diag *diag);
/* MAF key registration for the registrar CSE, SUID 32 (TS-0003 8.8.2.7): a new association under KmID, its exporter
 * gives Kc. */
GH_MUST_USE gh_err gh_device_register_key(gh_device *device, gh_reply *reply, gh_diag *diag);

/* Gives the device a provisioned Kpsa (16 to 64 octets; the caller wipes its copy); its associations with the CSE use
 * it from now on. GH_EINVAL: the identifier or the length. TS-0003 8.2.2.1, 9.1.1.1. */
GH_MUST_USE gh_err gh_device_set_psk(gh_device *device, gh_str kpsa_id, const gh_secret *kpsa, gh_diag *diag);

/* The device's associations with the CSE use raw public keys from now on (RFC 7250; TS-0003 8.1.2.1, 8.2.2.2). A key
 * pair is made at the first call; gh_device_state.public_key_id is what the CSE must be told. `cse_key_ids`:
 * identifiers of RFC 6920, "ni:///sha-256;..", one of which the CSE's public key must have; blank between them.
 * GH_EINVAL; GH_EUNSUPPORTED: this library stands on an OpenSSL before 3.2. */
GH_MUST_USE gh_err gh_device_set_public_key(gh_device *device, gh_str cse_key_ids, gh_diag *diag);

/* What the silence of a source means. */
typedef enum gh_device_status_policy {
  GH_DEVICE_STATUS_USUAL,  /* soft of stapled answers, require of a responder */
  GH_DEVICE_STATUS_OFF,    /* it is not asked; of stapled answers alone */
  GH_DEVICE_STATUS_SOFT,   /* what it says counts, its silence does not */
  GH_DEVICE_STATUS_REQUIRE /* its silence is a refusal, unless another source speaks */
} gh_device_status_policy;

/* Where the device looks whether the certificate of its CSE, of its broker, or of who comes to it as its CSE, is
 * revoked (TS-0003 8.1.2.5). Zeros: at stapled answers alone, softly. One source that says "revoked" refuses; else
 * one that says "good" is enough; where none speaks, lists refuse, and the others by their policies. URLs are
 * "http://HOST[:PORT][/PATH]" (what comes is signed). Asking takes at most half of timeout_ms. */
typedef struct gh_device_revocation {
  gh_str crl_file; /* path of a file with CRLs, PEM or DER, of the issuers of the certificates; read again when it
                      changes. Empty: none, as below */
  gh_str crl_url;  /* the same from a web server: fetched when it is needed first, and again half-way to its
                      nextUpdate (10 s to 1 h). Of one issuer only a later list replaces an earlier one */
  gh_str ocsp_url; /* a responder, asked in the handshake, and about who is associated half-way to the end of its
                      answer (10 s to 1 h); the answer is remembered to its end */
  gh_device_status_policy ocsp;
  gh_device_status_policy stapling; /* of servers: asked for in the handshake */
} gh_device_revocation;

/* A certificate with all that belongs to it, PEM (TS-0003 8.1.2.3, 8.1.2.4). */
typedef struct gh_device_certificate {
  gh_str chain_pem;   /* the own certificate, then intermediates; it names an AE-ID, a node or a device (10.1.1) */
  gh_str key_pem;     /* its private key, not encrypted */
  gh_str anchors_pem; /* CAs, to one of which the CSE's certificate must lead; it must bear the CSE's FQDN */
  gh_device_revocation revocation;
} gh_device_certificate;

/* The device's associations with the CSE use certificates from now on, in both directions (TS-0003 8.2.2.2). All of
 * it is copied into the sealed file, in place of an earlier one; the caller keeps and wipes its own. At an MQTT
 * broker the certificate of an AE-ID proves the AE once it is registered. GH_EINVAL: it cannot be read, is outside
 * the profile of 10.1.1, names no AE, node or device, or the key is another's (*diag says which); GH_EAUTH: it has no
 * name, or several; GH_EEXPIRED: it is past its end; GH_ELIMIT: together more than 16 KiB; GH_EIO, GH_ESYNTAX: the
 * file with CRLs (what lies behind a URL is not tried). Nothing has changed then. An association that stands ends
 * within a second, or before its next request, once a list or an answer that came revokes the certificate of the CSE
 * or broker. */
GH_MUST_USE gh_err gh_device_set_certificate(gh_device *device, const gh_device_certificate *certificate,
                                             gh_diag *diag);

/* Where it looks: as it was given, the path made absolute, with the policies that are followed (USUAL: of a responder
 * that there is not). Text lives until the next call with the same device. GH_ENOTFOUND: the device has no
 * certificate. */
GH_MUST_USE gh_err gh_device_revocation_get(gh_device *device, gh_device_revocation *out, gh_diag *diag);

/* Which key the association with the CSE uses. */
typedef enum gh_device_key {
  GH_DEVICE_KEY_MAF,        /* Kc (TS-0003 8.2.2.3); renewed at the MAF when it is past its end */
  GH_DEVICE_KEY_MEF,        /* the key registered at the MEF with SUID 22 (TS-0003 8.3.5.2.7) */
  GH_DEVICE_KEY_PSK,        /* Kpsa, provisioned beforehand (TS-0003 8.2.2.1) */
  GH_DEVICE_KEY_PUBLIC,     /* raw public keys (TS-0003 8.2.2.2) */
  GH_DEVICE_KEY_CERTIFICATE /* certificates (TS-0003 8.2.2.2) */
} gh_device_key;

/* Opens the association with the CSE; the calls below do it by themselves with GH_DEVICE_KEY_MAF, or with the key
 * that was last chosen here or by one of the calls above. An open one is kept. */
GH_MUST_USE gh_err gh_device_associate(gh_device *device, gh_device_key key, gh_reply *reply, gh_diag *diag);
/* Ends it; within a call-back see gh_device_on_notify. */
GH_NONNULL void gh_device_dissociate(gh_device *device);
/* Waits until the CSE, or a call-back, ends the association. GH_ETIMEOUT: it still stands. GH_ECONN: there is none.
 * GH_EINVAL: within the call-back of a notification that came over it. */
GH_MUST_USE gh_err gh_device_wait_closed(gh_device *device, uint32_t timeout_ms);

/* Creates the <AE> (TS-0001 10.2.2.2) and keeps the AE-ID that was assigned. `app_id` begins with N or R. `rn` may be
 * empty. */
GH_MUST_USE gh_err gh_device_register(gh_device *device, gh_str app_id, gh_str rn, gh_reply *reply, gh_diag *diag);

typedef enum gh_device_op {
  GH_DEVICE_CREATE = 1,
  GH_DEVICE_RETRIEVE = 2,
  GH_DEVICE_UPDATE = 3,
  GH_DEVICE_DELETE = 4,
  GH_DEVICE_NOTIFY = 5 /* `to` is the <AE> of another (TS-0001 10.2.5.23); the answer is that of the other AE */
} gh_device_op;

typedef struct gh_device_request {
  gh_device_op op;
  gh_str to;      /* any form of address of TS-0001 7.2 */
  gh_str from;    /* empty: the own AE-ID-Stem */
  gh_str rqi;     /* empty: a random one */
  uint32_t ty;    /* CREATE: resource type */
  int rcn;        /* result content (TS-0004 6.3.4.2.7); -1: absent */
  gh_str content; /* JSON, {"m2m:cnt":{...}}; empty: none */
  bool cbor;      /* send and ask for CBOR (TS-0004 8.5), whatever device.conf says; `content` and the reply's content
                     are JSON all the same. Over WebSocket and MQTT the first request of an association decides for
                     all */
} gh_device_request;

/* As the registered AE, over the association with the CSE. GH_ESYNTAX: `content` is not JSON (*diag has the
 * position). */
GH_MUST_USE gh_err gh_device_request_send(gh_device *device, const gh_device_request *request, gh_reply *reply,
                                          gh_diag *diag);

/* ---- requests to the device (TS-0003 8.2.1, SA2)
 *
 *   gh_device_listen -> gh_device_announce(gh_device_server_point) -> gh_device_serve, again and again
 *   -> gh_device_server_close
 *
 * The registrar comes to the device's point of access and must prove the key of the device's own associations with it
 * (Kc, the key of a MEF, Kpsa, or the registrar's raw public key or certificate); nobody else gets an association. A
 * server and its device are used by one thread. */

typedef struct gh_device_server gh_device_server;

/* A NOTIFY that the registrar has permitted. Text lives until the call-back returns. */
typedef struct gh_device_notification {
  gh_str from;    /* the originator, for whom the registrar vouches: SP-relative or absolute */
  gh_str to;      /* as the originator addressed the own <AE> */
  gh_str rqi;     /* request identifier */
  gh_str content; /* JSON, {"m2m:sgn":{..}}; empty: none */
} gh_device_notification;

/* Returns the response status code for the originator (TS-0004 6.6), 2000 for done; an unknown one becomes 5000.
 * Called within gh_device_serve; over MQTT and WebSocket within every call that uses the association, too, and there
 * each call with the device that can fail does so (GH_EINVAL) and changes nothing. Over HTTP and CoAP the device may
 * be used, but for gh_device_serve (GH_EINVAL). Over any of them: gh_device_dissociate ends the device's own
 * association, if the notification came over it when the call-back has returned; gh_device_server_close stops the
 * server, as gh_device_server_stop does, and gh_device_close does no more than dissociate: close both when
 * gh_device_serve has returned. What only shows (gh_device_state_get, ..) and gh_device_server_stop may always be
 * called. */
typedef int (*gh_device_on_notify)(void *ctx, const gh_device_notification *notification);

/* Listens in the binding that the device speaks: for HTTP over TLS, for CoAP over DTLS ("coap") or over TLS
 * ("coaps_tcp"), at `at`, a numeric address and port, "127.0.0.1:8443" or "[::1]:0" (0: the system chooses). The
 * device must outlive the server. Over "ws" and "mqtt" `at` is empty, and requests come over the association that
 * gh_device_announce opens: a WebSocket with the registrar, who has proven itself there; or one with the broker,
 * whose list sees to it that nobody but the registrar is heard.
 * *out is ended by gh_device_server_close. GH_EINVAL: `at`; GH_EIO: it is taken; GH_EUNSUPPORTED: the device uses raw
 * public keys, and this library stands on an OpenSSL before 3.2; GH_EEXPIRED: its certificate is past its end. */
GH_MUST_USE gh_err gh_device_listen(gh_device *device, gh_str at, gh_device_on_notify on_notify, void *ctx,
                                    gh_device_server **out, gh_diag *diag);
#define GH_DEVICE_OPEN_WEBSOCKET "wss" /* instead of a point of access: the connection that the device opens */
/* "https://127.0.0.1:8443", "coaps://..", "coaps+tcp://..": where it listens; "mqtts://HOST:PORT[/PREFIX]" of the
 * broker; GH_DEVICE_OPEN_WEBSOCKET. Lives as long as the server. */
GH_NONNULL gh_str gh_device_server_point(const gh_device_server *server);
/* Tells the registrar in the own <AE> that the device takes requests, where, and in what it likes them
 * (requestReachability, pointOfAccess, contentSerialization); with an empty `point`, that it takes none. The
 * association stays open; when the registrar ends it (gh_device_wait_closed), because it restarts or because Kc is
 * past its end, announce again: the registrar needs the key. GH_ENOTFOUND: not registered; else as
 * gh_device_request_send. */
GH_MUST_USE gh_err gh_device_announce(gh_device *device, gh_str point, gh_reply *reply, gh_diag *diag);
/* Takes requests for so many milliseconds, and ends what has begun where a source of revocation is being asked about
 * who comes (at most half of timeout_ms more). GH_ETIMEOUT: they are over; GH_OK: gh_device_server_stop was called.
 */
GH_MUST_USE gh_err gh_device_serve(gh_device_server *server, uint32_t timeout_ms);
/* From any thread or signal handler: gh_device_serve returns. */
GH_NONNULL void gh_device_server_stop(gh_device_server *server);
void gh_device_server_close(gh_device_server *server); /* NULL is allowed */

#endif
