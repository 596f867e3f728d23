/* Each row: id, clause, title, state, why, test. Tests are named as in `make test`.
 */
#include "cmd/features_table.h"

#include <string.h>

#include "link/raw_public_key.h"
#include "link/security_policy.h"

#define YES GH_FEATURE_YES
#define PARTLY GH_FEATURE_PARTLY
#define NO GH_FEATURE_NO
#define UNAVAILABLE GH_FEATURE_UNAVAILABLE

/* clang-format off */
const gh_feature gh_features[] = {
    /* Security associations */
    {"saef-psk", "TS-0003 8.2.2.1", "Association with a provisioned symmetric key (Kpsa), TLS and DTLS", YES, "", "unit_bind_test_association_matrix"},
    {"kpsa", "TS-0003 9.1.1.1", "Kpsa of AEs and CSEs, given to a CSE by its administrator", YES, "", "unit_cse_test_association_key"},
    {"saef-certificate", "TS-0003 8.2.2.2", "Association with certificates (CSE-ID, AE-ID, Node-ID, device), TLS and DTLS", YES, "", "unit_bind_test_association_matrix"},
    {"saef-maf", "TS-0003 8.2.2.3", "Association with a key of a MAF (Kc), fetched in mid-handshake", YES, "", "unit_cmd_test_flow"},
    {"saef-mef", "TS-0003 8.2.2.1", "Association with a key that a MEF provisioned, fetched in mid-handshake", YES, "", "unit_bind_test_association_matrix"},
    {"saef-several-identities", "TS-0003 8.2.1", "A Node-ID or device certificate for a CSE, or for a list of AE-IDs", YES, "",
     "unit_cse_test_identities"},
    {"saef-reverse", "TS-0003 8.2.1", "A second association towards a registree that can be reached (SA2)", YES,
     "to https, coaps, coaps+tcp points of access, through the trusted MQTT broker, and to WebSockets that a registree opened", "story_notify_coap"},
    {"notify-ae", "TS-0001 10.2.5.23", "NOTIFY to an <AE> goes on to the AE: its points of access, then its open WebSocket", YES, "", "unit_cse_test_notify"},
    {"device-listen", "TS-0003 8.2.1", "A device takes notifications from its registrar and from nobody else: keys, raw public keys, certificates", YES,
     "over HTTPS, over MQTT at its broker; over CoAP and WebSocket see the next two", "unit_client_test_device_server"},
    {"device-listen-coap", "TS-0003 8.2.1", "The same over CoAP, DTLS and TLS: each notification once, long ones in blocks", YES, "", "unit_client_test_device_coap"},
    {"device-listen-websocket", "TS-0020 6.4", "The same over the WebSocket that the device opened to its registrar", YES, "", "story_device_listen"},
    {"device-revocation", "TS-0003 8.1.2.5", "A device refuses, and leaves, a CSE (or broker) whose certificate was revoked: CRL (file, HTTP), in both directions", YES,
     "", "story_device_revocation"},
    {"device-ocsp", "TS-0003 8.1.2.5", "The same by OCSP, stapled and fetched, with policies", YES, "", "story_device_ocsp"},
    {"broker-revocation", "TS-0003 8.1.2.5", "A CSE refuses, and leaves, an MQTT broker whose certificate was revoked: CRL, OCSP", YES, "",
     "story_broker_revocation"},
    {"device-certificate", "TS-0003 8.1.2.3", "A device with a certificate (AE-ID, Node-ID, device): HTTP, CoAP, WebSocket, MQTT, and as a server", YES,
     "", "story_device_certificate"},
    {"saef-rpk", "TS-0003 8.1.2.4", "Association with raw public keys (RFC 7250) of AEs, CSEs and servers, TLS and DTLS", YES,
     "needs OpenSSL 3.2 or later", "story_raw_public_key"},
    {"security-policies", "TS-0003 10.2", "Named policies of versions, suites, groups and signature algorithms", YES, "", "unit_link_test_security_policy"},
    {"tls-hybrid-groups", "design", "Hybrid post-quantum groups in the policy modern (X25519MLKEM768, SecP256r1MLKEM768), agreed where both sides have them", YES,
     "needs OpenSSL 3.5 or later",
     "unit_link_test_security_policy"},
    {"tls12", "TS-0003 10.2.2", "TLS 1.2 with the PSK and certificate suites of the profile", YES, "", "unit_client_test_client"},
    {"tls13", "TS-0003 10.2", "TLS 1.3 beside TLS 1.2", YES, "", "unit_bind_test_association_matrix"},
    {"tls-ems", "TS-0003 10.3.1", "Extended master secret is required where keys are exported", YES, "", "unit_link_test_link_psk"},
    {"resumption", "TS-0003 10.2.1", "Sessions are resumed at a CSE (TLS 1.2, 1.3, DTLS 1.2), each time asking about the credential again", YES,
     "off unless limits.resumption_s is set; never at a MAF or MEF", "unit_link_test_resumption"},
    {"dtls12", "TS-0003 10.2.3", "DTLS 1.2 with cookie exchange, PSK and certificate suites of the profile", YES, "", "unit_link_test_dtls"},
    {"sni", "TS-0003 10.2.1", "Server name indication: sent by clients; a server of several names chooses certificate and key by it", YES, "", "unit_link_test_link_sni"},
    {"certificate-profile", "TS-0003 10.1.1", "Certificate profile: P-256, SHA-256, key usage, one name, no wildcard", YES, "", "unit_crypto_test_certs"},
    {"certificate-paths", "TS-0003 8.1.2.2", "Paths to configured anchors only, with name constraints (device names too), depth, purpose and profile", YES, "", "unit_crypto_test_cert_path"},
    {"anchors-of-a-flavour", "TS-0003 8.1.2.4", "Anchors that vouch for one flavour of certificates alone, in both directions", YES, "", "unit_link_test_link_cert_matrix"},
    {"certificate-flavours", "TS-0003 8.1.2.1", "CSE-ID, AE-ID, Node-ID, device and FQDN certificates, of clients and servers, TLS 1.2 and 1.3", YES, "", "unit_link_test_link_cert_matrix"},
    {"public-key-id", "TS-0003 10.1.2", "Public key identifiers of RFC 6920: sha-256, sha-256-128, sha-256-120", YES, "", "unit_crypto_test_public_key_id"},
    {"certificate-status", "TS-0003 8.1.2.5", "Revocation of certificates: CRL (file, HTTP), OCSP stapled and fetched, policies", YES, "", "unit_host_test_certificate_status"},
    {"key-expiry", "TS-0003 10.7", "Associations and keys end with their credential", YES, "", "unit_link_test_link_life"},
    {"key-revocation", "TS-0003 8.8.2.10", "A revoked key ends its associations within one second on one machine", YES, "", "unit_cmd_test_flow"},
    /* Provisioning */
    {"rspf-psk", "TS-0003 8.3.2.1", "Remote provisioning with a pre-provisioned symmetric key", YES, "", "unit_cmd_test_flow"},
    {"rspf-certificate", "TS-0003 8.3.2.2", "Remote provisioning with certificates", NO, "a later issue", ""},
    {"rspf-gba", "TS-0003 8.3.2.3", "Remote provisioning with GBA", NO, "a later issue", ""},
    {"mef-client-registration", "TS-0003 8.3.5.2.3", "MEF client registration, update, de-registration", YES, "", "unit_mef_test_mef"},
    {"mef-key-registration", "TS-0003 8.3.5.2.7", "MEF key registration and retrieval", YES, "", "unit_cmd_test_flow"},
    {"mef-commands", "TS-0003 8.3.9", "MEF client commands", PARTLY, "NO_MORE_COMMANDS; other classes are answered CLASS_NOT_SUPPORTED", "unit_mef_test_mef"},
    {"certificate-provisioning", "TS-0003 8.3.6", "Certificate provisioning (EST, SCEP)", NO, "a later issue", ""},
    {"device-configuration", "TS-0022", "Field device configuration objects", NO, "a later issue", ""},
    {"credential-fetch", "TS-0003 8.3.2.1", "An enrolment target fetches its key by KeID and SUID; Ke never leaves", YES, "", "unit_mef_test_mef"},
    {"maf-client-registration", "TS-0003 8.8.2.3", "MAF client registration with a remotely provisioned Km", YES, "", "unit_maf_test_maf"},
    {"maf-key-registration", "TS-0003 8.8.2.7", "MAF key registration (exporter and own keys), update, de-registration", YES, "", "unit_maf_test_maf"},
    {"maf-key-retrieval", "TS-0003 8.8.2.8", "MAF key retrieval by the target", YES, "", "unit_maf_test_maf"},
    {"exporter", "TS-0003 10.3.1", "Keys from the TLS exporter", YES, "", "unit_crypto_test_export"},
    {"kdf", "TS-0003 10.3.2-10.3.8", "Key derivation functions", YES, "", "unit_crypto_test_kdf"},
    /* Identity and authorization */
    {"impersonation", "TS-0003 7.2.1", "From must be an identity of the association, on every binding", YES, "", "unit_bind_test_association_matrix"},
    {"ae-registration", "TS-0001 10.2.2.2", "AE-ID is bound to the credential of the association", YES, "", "unit_cmd_test_flow"},
    {"service-subscription", "TS-0001 9.6.19", "Registration by rules of a service subscription profile", YES, "", "unit_cse_test_subscription"},
    {"service-subscription-below", "TS-0001 10.2.2.2", "An MN-CSE asks the IN-CSE for the rules of its node before an AE registers", PARTLY,
     "by a resource identifier that our IN-CSE makes of the CSE-ID; discovery is not built", "unit_cse_test_s_type"},
    {"ae-registration-s-type", "TS-0001 10.2.2.2", "S-type AEs at an MN-CSE: <AEAnnc> at the IN-CSE, one registration point at a time", PARTLY,
     "an AE leaves one registrar before it comes to another; trackRegistrationPoints is not built", "story_s_type"},
    {"cse-registration", "TS-0001 10.2.2.7", "A CSE registers at another over its certificate", YES, "", "story_transit"},
    {"cse-points-of-access", "TS-0004 7.3.2.6", "Requests go to the pointOfAccess of a registered CSE, in order, over an association that proves its CSE-ID", YES,
     "https, coaps, coaps+tcp, and mqtts at the trusted broker; a registree is no WebSocket server", "story_poa"},
    {"transit", "TS-0004 7.3.2.6", "Requests through CSEs; a CSE speaks for what is below it, and for nothing else", YES, "", "unit_cse_test_transit"},
    {"inter-provider", "TS-0001 6.5", "Other service providers (Mcc'): requests between IN-CSEs that prove their absolute CSE-IDs, certificates or Kpsa, HTTPS and CoAP", PARTLY,
     "providers are configured, not found by DNS", "story_providers"},
    {"inter-provider-registration", "TS-0001 6.5.4", "IN-CSEs of two service providers register at each other (Mcc'), each direction where it is agreed", YES, "", "story_providers_register"},
    {"saef-cse", "TS-0003 8.2", "Association between CSEs (Mcc), both directions: certificates, Kpsa, keys of a MAF", YES, "", "story_mcc_maf"},
    {"acp", "TS-0003 7.1", "Access control policies: originators, operations, contexts, objects", YES, "", "unit_authz_test_decide"},
    {"acp-unknown-context", "TS-0003 7.1.3", "A context that cannot be evaluated never permits", YES, "", "unit_authz_test_decide"},
    {"acp-default", "TS-0001 9.6.1.3.2", "Default policy: the creator, nobody else", YES, "", "unit_cmd_test_flow"},
    {"roles", "TS-0003 7.3", "Role-based access control", NO, "a later issue", ""},
    {"tokens", "TS-0003 7.5", "Tokens", NO, "a later issue", ""},
    {"dynamic-authorization", "TS-0003 7.3", "Dynamic authorization (DAS)", NO, "a later issue", ""},
    {"distributed-authorization", "TS-0003 7.4", "Distributed authorization (PDP, PRP, PIP)", NO, "a later issue", ""},
    {"privacy", "TS-0003 11", "Privacy policy management (PPM)", NO, "a later issue", ""},
    /* End to end */
    {"esprim", "TS-0003 8.4", "End-to-end security of primitives", NO, "a later issue", ""},
    {"esdata", "TS-0003 8.5", "End-to-end security of data", NO, "a later issue", ""},
    {"escertke", "TS-0003 8.7", "Certificate-based key establishment end to end", NO, "a later issue", ""},
    /* Key storage */
    {"se-sealed-file", "TS-0003 6.3", "Secure environment: sealed file (protection level 1)", YES, "", "unit_se_test_se_file"},
    {"se-pkcs11", "TS-0003 Annex O", "Secure environment: PKCS#11", NO, "a later issue", ""},
    {"se-tpm2", "TS-0003 Annex O", "Secure environment: TPM 2.0", NO, "a later issue", ""},
    /* Operation */
    {"no-default-secret", "design", "A fresh realm has no default secret and nothing that others can read", YES, "", "unit_cmd_test_init"},
    {"admin-credential", "design", "Administration is a certificate with a name, over the same gate", YES, "", "unit_cmd_test_flow"},
    {"audit", "TS-0003 6.1", "Audit of every refusal and every change of keys, policies and registrations", YES, "", "unit_cmd_test_flow"},
    {"limits", "design", "Stated bounds of size, depth, count and time", YES, "", "unit_bind_test_http_reader"},
    {"limits-per-address", "design", "Bounds of connections and handshakes for each address, TLS and DTLS", YES, "", "unit_link_test_admission"},
    {"limits-key-fetch", "design", "Strangers with invented key identities do not stand in the way of others whose keys are fetched", YES, "", "unit_host_test_fetch_line"},
    {"limits-mqtt-originator", "design", "A share of the requests under way for each originator over MQTT", YES, "", "unit_bind_test_mqtt_server"},
    {"durability", "house rule", "Nothing that was acknowledged is lost", YES, "", "story_demo"},
    {"http", "TS-0009", "HTTP/1.1 binding", YES, "", "unit_bind_test_http_reader"},
    {"http2", "TS-0009", "HTTP/2 by ALPN on the same port", YES, "", "unit_bind_test_http2_server"},
    {"cbor", "TS-0004 8.5", "CBOR beside JSON, chosen by Content-Type and Accept", YES, "", "unit_m2m_test_cbor"},
    {"content-serialization", "TS-0004 7.5.1.1", "Notifications and forwarded requests go in the serialization that the receiver names: JSON, CBOR", YES,
     "XML is not written: 5103", "story_serialization"},
    {"coap", "TS-0008", "CoAP binding over DTLS and over TLS, block-wise transfers: server, device, and functions among each other", YES, "",
     "story_outgoing"},
    {"mqtt", "TS-0010", "MQTT binding through a broker, server and device: requests to a CSE, registration, JSON and CBOR", YES, "", "story_mqtt"},
    {"mqtt-outbound", "TS-0010 6.4.2", "Requests of a CSE over MQTT, to other CSEs and to its AEs", YES, "",
     "story_notify_mqtt"},
    {"mqtt-authorization", "TS-0010 7.4", "Access control list of the MQTT broker from registrations and keys", YES, "",
     "unit_cmd_test_mqtt_acl"},
    {"mqtt-originator", "TS-0010 7.2", "Originator as the broker authenticated it; From must agree", YES, "",
     "unit_bind_test_mqtt_call"},
    {"websocket", "TS-0020", "WebSocket binding, server and client, JSON and CBOR, requests in both directions", YES, "", "unit_bind_test_ws_server"},
    {"websocket-outbound", "TS-0020 6.4", "Requests to a registree over the connection that it opened", PARTLY,
     "forwarded requests and notifications; these are not stored for a closed connection", "unit_bind_test_ws_outbound"},
    {"websocket-kept", "TS-0020 5.2", "A CSE that cannot be reached keeps a WebSocket open to its registrar, for requests of both", YES, "",
     "story_kept_websocket"},
    {"websocket-compression", "TS-0020 6.2.2.8", "permessage-deflate", NO, "refused: lengths of compressed tokens tell of their content", ""},
};
/* clang-format on */
const size_t gh_features_count = sizeof gh_features / sizeof *gh_features;

static bool has_hybrid_groups(void)
{
  return gh_tls_group_available("X25519MLKEM768") || gh_tls_group_available("SecP256r1MLKEM768");
}

/* What depends on the TLS library of this machine. */
static const struct {
  const char *id;
  bool (*available)(void);
} needs[] = {{"saef-rpk", gh_raw_public_key_available}, {"tls-hybrid-groups", has_hybrid_groups}};

gh_feature_state gh_feature_state_of(const gh_feature *feature)
{
  for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
    if (strcmp(needs[i].id, feature->id) == 0 && !needs[i].available()) return UNAVAILABLE;
  return feature->state;
}

const char *gh_feature_state_name(gh_feature_state state)
{
  switch (state) {
  case GH_FEATURE_YES: return "yes";
  case GH_FEATURE_PARTLY: return "partly";
  case GH_FEATURE_NO: return "no";
  case GH_FEATURE_UNAVAILABLE: return "unavailable";
  }
  return "";
}
