/* Every setting of gatehouse.conf: type, default, bounds and comment. Reading, checking and init walk these tables.
 */
#include <stddef.h>

#include "bind/mqtt_topic_codec.h"
#include "client/endpoint.h"
#include "cmd/config.h"
#include "cmd/reach.h"
#include "crypto/public_key_id.h"
#include "host/certificate_status.h"
#include "m2m/ids.h"
#include "m2m/key_id.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define YEARS(n) ((n)*INT64_C(31557600))

static bool one_of(gh_str text, const char *const *names)
{
  for (; *names; names++)
    if (gh_str_eq(text, gh_str_of(*names))) return true;
  return false;
}

static bool serialization_valid(gh_str text)
{
  gh_representation ignored;
  return gh_representation_by_name(text, &ignored);
}

static bool type_valid(gh_str text)
{
  return one_of(text, (const char *const[]){"mef", "maf", "cse", NULL});
}

static bool level_valid(gh_str text)
{
  return one_of(text, (const char *const[]){"debug", "info", "warn", "error", "off", NULL});
}

static bool format_valid(gh_str text)
{
  return one_of(text, (const char *const[]){"text", "json", NULL});
}

static bool listen_valid(gh_str text)
{
  gh_endpoint at;
  return gh_endpoint_parse(text, &at) == GH_OK && strlen(at.host) < sizeof((gh_realm_function *)0)->listen_host;
}

static bool listen_or_none(gh_str text)
{
  return text.len == 0 || listen_valid(text);
}

static bool endpoint_valid(gh_str text)
{
  gh_endpoint at;
  return gh_str_eq(text, GH_STR("auto")) || (gh_endpoint_parse(text, &at) == GH_OK && at.port);
}

static bool policy_valid(gh_str text)
{
  return gh_security_policy_named(text) != NULL;
}

static bool status_policy_valid(gh_str text)
{
  gh_status_policy policy;
  return gh_status_policy_named(text, &policy);
}

static bool path_or_none(gh_str text)
{
  return text.len < 1024;
}

static bool http_or_none(gh_str text)
{
  return text.len == 0 || (text.len < 1024 && text.len > 7 && gh_str_starts(text, GH_STR("http://")));
}

static bool stem_or_none(gh_str text)
{
  return text.len == 0 || gh_stem_valid(text);
}

static bool name_or_none(gh_str text)
{
  return text.len == 0 || gh_resource_name_valid(text);
}

static bool public_keys_valid(gh_str text)
{
  gh_public_key_id id;
  gh_str one;
  while (gh_str_split(&text, ' ', &one))
    if (one.len && gh_public_key_id_parse(one, &id) != GH_OK) return false;
  return true;
}

static bool path_valid(gh_str text)
{
  return text.len > 0 && text.len < 1024;
}

static bool ae_id_valid(gh_str text)
{
  gh_id id = gh_id_parse(text);
  return id.scope == GH_SCOPE_ABSOLUTE && (id.kind == GH_ID_AE_S || id.kind == GH_ID_AE_C);
}

/* A Credential-ID of a node or device, a blank, an absolute CSE-ID. */
static bool node_cse_valid(gh_str text)
{
  size_t blank = gh_str_rfind(text, ' ');
  if (blank == SIZE_MAX || !gh_credential_is_of_node(gh_str_sub(text, 0, blank))) return false;
  gh_id id = gh_id_parse(gh_str_sub(text, blank + 1, SIZE_MAX));
  return id.scope == GH_SCOPE_ABSOLUTE && id.kind == GH_ID_CSE;
}

static bool fqdn_or_none(gh_str text)
{
  return text.len == 0 || gh_fqdn_valid(text);
}

static bool broker_or_none(gh_str text)
{
  return text.len == 0 || (!gh_str_eq(text, GH_STR("auto")) && endpoint_valid(text));
}

#define AT(field) offsetof(gh_realm_mqtt, field)
static const gh_conf_key mqtt_keys[] = {
    {"broker", GH_CONF_TEXT, AT(broker), "", 0, 0, broker_or_none, "host:port, or empty", NULL,
     "always over TLS, with the CSE's certificate; the registered port is 8883; empty: off"},
    {"name", GH_CONF_TEXT, AT(name), "", 0, 0, fqdn_or_none, "an FQDN", NULL,
     "FQDN that the broker's certificate bears"},
    {"prefix", GH_CONF_TEXT, AT(prefix), "", 0, 0, gh_mqtt_prefix_valid, "topic levels", NULL,
     "topic levels in front of /oneM2M, \"abc/def\"; empty: none"},
    {"listeners", GH_CONF_TEXTS, AT(listeners), "", 0, 0, endpoint_valid, "host:port", NULL,
     "further listeners of the same broker: a pointOfAccess mqtts://host:port of an AE may name `broker` or one of "
     "these,\n"
     "and no other broker is believed"},
    {"enforces", GH_CONF_SWITCH, AT(enforces), "false", 0, 0, NULL, NULL, NULL,
     "the broker authenticates every client and runs the list of `gatehouse cse mqtt-acl`, so that topics say who "
     "sends;\n"
     "false: requests count as outside any security association"},
    {"max_payload_bytes", GH_CONF_NUMBER, AT(max_payload_bytes), "204800", 1024, 1 << 28, NULL, NULL, NULL,
     "of a request; larger ones are dropped"},
    {"max_under_way", GH_CONF_NUMBER, AT(max_under_way), "256", 1, 65536, NULL, NULL, NULL,
     "requests performed at a time; the others wait at the broker"},
    {"max_under_way_each", GH_CONF_NUMBER, AT(max_under_way_each), "64", 1, 65536, NULL, NULL, NULL,
     "of these, of one originator (an AE, or a CSE that forwards for many); more are refused (5000)"},
};
const gh_conf_table gh_realm_mqtt_table = {mqtt_keys, COUNT(mqtt_keys)};

#undef AT
#define AT(field) offsetof(gh_realm_function, field)
static const gh_conf_key function_keys[] = {
    {"type", GH_CONF_TEXT, AT(type), NULL, 0, 0, type_valid, "\"mef\", \"maf\" or \"cse\"", NULL, NULL},
    {"fqdn", GH_CONF_TEXT, AT(fqdn), NULL, 0, 0, gh_fqdn_valid, "an FQDN", NULL,
     "MEF-FQDN, MAF-FQDN or public domain name of the CSE; its certificate bears it"},
    {"names", GH_CONF_TEXTS, AT(names), "", 0, 0, gh_fqdn_valid, "a list of FQDNs", NULL,
     "further FQDNs, each with a certificate of its own (gatehouse ca name); who asks for yet another is refused"},
    {"cse_id", GH_CONF_TEXT, AT(cse_id), "", 0, 0, stem_or_none, "the stem of a CSE-ID", NULL,
     "CSE only: CSE-ID without the slash"},
    {"cse_rn", GH_CONF_TEXT, AT(cse_rn), "", 0, 0, name_or_none, "a resource name", NULL,
     "CSE only: name of the <CSEBase>"},
    {"registrar", GH_CONF_TEXT, AT(registrar), "", 0, 0, stem_or_none, "the stem of a CSE-ID", NULL,
     "CSE only: CSE-ID without the slash of the CSE where this one registers; empty on the IN-CSE"},
    {"serialization", GH_CONF_TEXT, AT(serialization_name), "json", 0, 0, serialization_valid, "\"json\" or \"cbor\"",
     NULL,
     "CSE only: of requests to the registrar (over wss of everything), and of those that the registrar is asked to "
     "send"},
    {"registrar_maf", GH_CONF_TEXT, AT(registrar_maf), "", 0, 0, fqdn_or_none, "an FQDN, or empty", NULL,
     "CSE only: MAF-FQDN; the association with the registrar is opened with a key that this CSE registers there, "
     "and\n"
     "with nothing else; empty: with Kpsa where there is one, else with the certificate"},
    {"listen", GH_CONF_TEXT, AT(listen), "127.0.0.1:0", 0, 0, listen_valid, "address:port", NULL,
     "numeric address and port; port 0: the system chooses, and run/<name>.endpoint says which"},
    {"coap_listen", GH_CONF_TEXT, AT(coap_listen), "", 0, 0, listen_or_none, "address:port, or empty", NULL,
     "CoAP over DTLS (coaps, UDP); the registered port is 5684; empty: off"},
    {"coaps_tcp_listen", GH_CONF_TEXT, AT(coaps_tcp_listen), "", 0, 0, listen_or_none, "address:port, or empty", NULL,
     "CoAP over TLS (coaps+tcp); empty: off"},
    {"mqtt", GH_CONF_GROUP, AT(mqtt), NULL, 0, 0, NULL, NULL, &gh_realm_mqtt_table, "CSE only: over a broker"},
    {"endpoint", GH_CONF_TEXT, AT(endpoint), "auto", 0, 0, endpoint_valid, "\"auto\" or host:port", NULL,
     "where the other functions reach this one: host:port, or \"auto\": as run/<name>.endpoint says"},
    {"reach", GH_CONF_TEXT, AT(reach), "https://auto", 0, 0, gh_reach_valid,
     "https://, coaps://, coaps+tcp:// or wss:// with \"auto\" or host:port, or \"mqtt\", or \"none\"", NULL,
     "over which binding the other functions call this one; auto: https and wss as `endpoint` says, the others as\n"
     "run/<name>.*.endpoint; wss: its registrees keep a WebSocket open; mqtt: CSEs, through their broker;\n"
     "none: nobody connects to it"},
    {"public_keys", GH_CONF_TEXT, AT(public_keys), "", 0, 0, public_keys_valid, "identifiers of RFC 6920", NULL,
     "CSE only: identifiers of its raw public key, blank between: other CSEs then show it theirs, and expect one of "
     "these;\nempty: certificates on both sides"},
    {"certificate", GH_CONF_TEXT, AT(certificate), NULL, 0, 0, path_valid, "a path", NULL, "certificate chain, PEM"},
    {"sealed", GH_CONF_TEXT, AT(sealed), NULL, 0, 0, path_valid, "a path", NULL,
     "secure environment (sealed file), opened with the realm's secret; it holds the private key"},
    {"store", GH_CONF_TEXT, AT(store), NULL, 0, 0, path_valid, "a path", NULL, "database"},
    {"security_policy", GH_CONF_TEXT, AT(security_policy), "modern", 0, 0, policy_valid,
     "\"modern\", \"ts0003-r3\" or \"constrained\"", NULL,
     "suites, groups and versions, in order: modern, ts0003-r3 (the suites of the standard alone), constrained "
     "(CCM_8 "
     "first)"},
    {"tls13", GH_CONF_SWITCH, AT(tls13), "true", 0, 0, NULL, NULL, NULL,
     "offer TLS 1.3 beside TLS 1.2, where the policy has it"},
    {"crl", GH_CONF_TEXT, AT(crl), "", 0, 0, path_or_none, "a path", NULL,
     "certificate revocation lists, PEM or DER; read again when the file changes; empty: none"},
    {"crl_url", GH_CONF_TEXT, AT(crl_url), "", 0, 0, http_or_none, "an http URL", NULL,
     "where a list is fetched, and fetched again before it ends; empty: nowhere"},
    {"crl_policy", GH_CONF_TEXT, AT(crl_policy), "require", 0, 0, status_policy_valid,
     "\"require\", \"soft\" or \"off\"", NULL,
     "without an answer about a peer's certificate: \"require\": refused, \"soft\": let in, \"off\": not looked at"},
    {"stapling_policy", GH_CONF_TEXT, AT(stapling_policy), "soft", 0, 0, status_policy_valid,
     "\"require\", \"soft\" or \"off\"", NULL, "the same for answers that servers staple to the handshake"},
    {"ocsp_responder", GH_CONF_TEXT, AT(ocsp_responder), "", 0, 0, http_or_none, "an http URL", NULL,
     "who is asked about certificates; empty: nobody"},
    {"ocsp_policy", GH_CONF_TEXT, AT(ocsp_policy), "require", 0, 0, status_policy_valid,
     "\"require\", \"soft\" or \"off\"", NULL, "the same for the responder's answers"},
    {"ocsp_staple", GH_CONF_SWITCH, AT(ocsp_staple), "false", 0, 0, NULL, NULL, NULL,
     "staple the responder's answer about our own certificate"},
    {"status_timeout_ms", GH_CONF_NUMBER, AT(status_timeout_ms), "3000", 10, 60000, NULL, NULL, NULL,
     "a responder or CRL server must answer within"},
    {"open_registration", GH_CONF_SWITCH, AT(open_registration), "false", 0, 0, NULL, NULL, NULL,
     "CSE only: may a credential register an AE that nobody has assigned an AE-ID to?"},
    {"node_cses", GH_CONF_TEXTS, AT(node_cses), "", 0, 0, node_cse_valid, "\"CREDENTIAL-ID CSE-ID\"", NULL,
     "CSE only: CSEs that have the certificate of a node (34-urn:..) or of a device (31-OID) instead of one with "
     "their name:\n"
     "[ \"34-urn:example:gateway-7 //sp.example.com/mn7\" ]"},
    {"max_registration_s", GH_CONF_NUMBER, AT(max_registration_s), "31536000", 60, YEARS(100), NULL, NULL, NULL,
     "longest life of a registration, seconds"},
    {"max_key_s", GH_CONF_NUMBER, AT(max_key_s), "31536000", 60, YEARS(100), NULL, NULL, NULL,
     "longest life of a registered key, seconds"},
    {"fetch_timeout_ms", GH_CONF_NUMBER, AT(fetch_timeout_ms), "3000", 10, 60000, NULL, NULL, NULL,
     "a key that is fetched in the middle of a handshake must come within"},
    {"transit_ms", GH_CONF_NUMBER, AT(transit_ms), "10000", 100, 600000, NULL, NULL, NULL,
     "CSE only: a request that is forwarded to another CSE or to an AE must be answered within"},
    {"max_fetches_per_address", GH_CONF_NUMBER, AT(max_fetches_per_address), "256", 0, 1000000, NULL, NULL, NULL,
     "keys never held here that one IPv4 address or IPv6 /48 may have fetched at a time, per thread and issuer; 0: "
     "no "
     "bound"},
    {"negative_s", GH_CONF_NUMBER, AT(negative_s), "10", 0, 3600, NULL, NULL, NULL,
     "how long \"no such key\" is remembered, seconds"},
    {"recheck_s", GH_CONF_NUMBER, AT(recheck_s), "30", 1, 86400, NULL, NULL, NULL,
     "how often a fetched key is confirmed at its issuer, seconds"},
};
const gh_conf_table gh_realm_function_table = {function_keys, COUNT(function_keys)};

#undef AT
#define AT(field) offsetof(gh_realm_limits, field)
static const gh_conf_key limit_keys[] = {
    {"workers", GH_CONF_NUMBER, AT(workers), "0", 0, 64, NULL, NULL, NULL,
     "threads of a process; 0: one for each processor"},
    {"max_connections", GH_CONF_NUMBER, AT(max_connections), "100000", 1, 10000000, NULL, NULL, NULL, "per thread"},
    {"max_handshakes", GH_CONF_NUMBER, AT(max_handshakes), "4096", 1, 1000000, NULL, NULL, NULL,
     "in flight, per thread"},
    {"max_connections_per_address", GH_CONF_NUMBER, AT(max_connections_per_address), "10000", 0, 10000000, NULL, NULL,
     NULL,
     "of one IPv4 address or one IPv6 /64, per thread; of a /48 four times as many; raise it where many come through "
     "one NAT or proxy; 0: no bound"},
    {"max_handshakes_per_address", GH_CONF_NUMBER, AT(max_handshakes_per_address), "512", 0, 1000000, NULL, NULL,
     NULL, "of one IPv4 address or one IPv6 /64, in flight, per thread; of a /48 four times as many; 0: no bound"},
    {"handshake_ms", GH_CONF_NUMBER, AT(handshake_ms), "10000", 100, 600000, NULL, NULL, NULL,
     "a handshake must be complete within"},
    {"idle_ms", GH_CONF_NUMBER, AT(idle_ms), "300000", 0, INT64_C(86400000), NULL, NULL, NULL,
     "an association without traffic ends after; 0: never"},
    {"request_ms", GH_CONF_NUMBER, AT(request_ms), "30000", 100, 600000, NULL, NULL, NULL,
     "a request must be complete within"},
    {"max_out_bytes", GH_CONF_NUMBER, AT(max_out_bytes), "1048576", 65536, 1 << 30, NULL, NULL, NULL,
     "unsent octets of one connection; over it nothing more is read from it"},
    {"association_s", GH_CONF_NUMBER, AT(association_s), "86400", 60, YEARS(1), NULL, NULL, NULL,
     "longest life of an association, seconds"},
    {"max_head_bytes", GH_CONF_NUMBER, AT(max_head_bytes), "16384", 1024, 1 << 20, NULL, NULL, NULL,
     "HTTP start line and header fields"},
    {"max_body_bytes", GH_CONF_NUMBER, AT(max_body_bytes), "262144", 1024, 1 << 28, NULL, NULL, NULL,
     "HTTP body; CoAP payload, whole or in blocks"},
    {"datagram_mtu", GH_CONF_NUMBER, AT(datagram_mtu), "1280", 576, 9000, NULL, NULL, NULL,
     "largest IP packet of a DTLS handshake; the blocks of CoAP are cut to fit, too"},
    {"max_audit", GH_CONF_NUMBER, AT(max_audit), "1000000", 1000, INT64_C(1000000000), NULL, NULL, NULL,
     "audit records kept; the oldest go first"},
};
const gh_conf_table gh_realm_limits_table = {limit_keys, COUNT(limit_keys)};

#undef AT
#define AT(field) offsetof(gh_realm_anchors, field)
static const gh_conf_key anchor_keys[] = {
    {"device", GH_CONF_TEXT, AT(device), "", 0, 0, path_or_none, "a path", NULL,
     "of makers, whose certificates bear a hardware identifier"},
    {"node", GH_CONF_TEXT, AT(node), "", 0, 0, path_or_none, "a path", NULL, "of certificates with a Node-ID"},
    {"ae", GH_CONF_TEXT, AT(ae), "", 0, 0, path_or_none, "a path", NULL, "of certificates with an AE-ID"},
    {"cse", GH_CONF_TEXT, AT(cse), "", 0, 0, path_or_none, "a path", NULL,
     "of certificates with a domain name: CSEs, MAF, MEF"},
};
static const gh_conf_table anchor_table = {anchor_keys, COUNT(anchor_keys)};

#undef AT
#define AT(field) offsetof(gh_realm, field)
static const gh_conf_key log_keys[] = {
    {"level", GH_CONF_TEXT, AT(log_level_name), "info", 0, 0, level_valid, "debug, info, warn, error or off", NULL,
     "debug, info, warn, error or off"},
    {"format", GH_CONF_TEXT, AT(log_format_name), "text", 0, 0, format_valid, "\"text\" or \"json\"", NULL,
     "text or json"},
};
static const gh_conf_table log_table = {log_keys, COUNT(log_keys)};

static const gh_conf_key metrics_keys[] = {
    {"listen", GH_CONF_TEXT, AT(metrics_listen), "", 0, 0, listen_or_none, "address:port", NULL,
     "clear text for a collector on this machine, e.g. \"127.0.0.1:9109\"; empty: off"},
};
static const gh_conf_table metrics_table = {metrics_keys, COUNT(metrics_keys)};

static const gh_conf_key realm_keys[] = {
    {"sp_fqdn", GH_CONF_TEXT, AT(sp_fqdn), NULL, 0, 0, gh_fqdn_valid, "an FQDN", NULL,
     "M2M service provider of this realm"},
    {"in_cse", GH_CONF_TEXT, AT(in_cse), "in-cse", 0, 0, gh_stem_valid, "the stem of a CSE-ID", NULL,
     "CSE-ID of the IN-CSE without the slash"},
    {"anchors", GH_CONF_TEXT, AT(anchors), "ca.pem", 0, 0, path_valid, "a path", NULL,
     "trust anchors, PEM; the system's are never used.\nPaths that do not begin with a slash start where this file "
     "lies."},
    {"anchors_for", GH_CONF_GROUP, AT(anchors_for), NULL, 0, 0, NULL, NULL, &anchor_table,
     "further trust anchors, each for certificates of one flavour alone; those above vouch for all flavours"},
    {"secret", GH_CONF_TEXT, AT(secret), "secret", 0, 0, path_valid, "a path", NULL,
     "passphrase of the sealed files; mode 0600"},
    {"run", GH_CONF_TEXT, AT(run), "run", 0, 0, path_valid, "a path", NULL,
     "end points and revocations of what runs now"},
    {"admins", GH_CONF_TEXTS, AT(admins), NULL, 0, 0, ae_id_valid, "a list of absolute AE-IDs", NULL,
     "absolute AE-IDs whose certificates administer the functions"},
    {"functions", GH_CONF_OWN, 0, NULL, 0, 0, NULL, NULL, NULL, NULL},
    {"providers", GH_CONF_OWN, 0, "", 0, 0, NULL, NULL, NULL, NULL},
    {"limits", GH_CONF_GROUP, AT(limits), NULL, 0, 0, NULL, NULL, &gh_realm_limits_table, "bounds of each process"},
    {"log", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &log_table, "to standard error"},
    {"metrics", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &metrics_table, NULL},
};
const gh_conf_table gh_realm_table = {realm_keys, COUNT(realm_keys)};
