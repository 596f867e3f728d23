/* device.conf: whom the device talks to. No secret stands in it. */
#include "client/device_private.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "bind/mqtt_topic_codec.h"
#include "client/endpoint.h"
#include "client/secret_file.h"
#include "m2m/ids.h"
#include "m2m/key_id.h"

static bool fqdn_or_none(gh_str text)
{
  return text.len == 0 || gh_fqdn_valid(text);
}

static bool endpoint_or_none(gh_str text)
{
  return text.len == 0 || gh_endpoint_valid(text);
}

bool gh_device_binding_valid(gh_str binding)
{
  return gh_str_eq(binding, GH_STR("http")) || gh_str_eq(binding, GH_STR("coap")) ||
         gh_str_eq(binding, GH_STR("coaps_tcp")) || gh_str_eq(binding, GH_STR("ws")) ||
         gh_str_eq(binding, GH_STR("mqtt"));
}

bool gh_device_serialization_valid(gh_str text)
{
  gh_representation ignored;
  return gh_representation_by_name(text, &ignored);
}

static bool policy(gh_str text)
{
  return gh_security_policy_named(text) != NULL;
}

static bool key_id(gh_str text)
{
  gh_key_id ignored;
  return gh_key_id_parse(text, false, &ignored) == GH_OK;
}

#define BINDINGS "\"http\", \"coap\" (over DTLS), \"coaps_tcp\", \"ws\" or \"mqtt\""
#define ENDPOINT_FORM "host:port, [v6]:port or file:PATH"
#define AT(field) offsetof(gh_device_config, field)

static const gh_conf_key cse_keys[] = {
    {"id", GH_CONF_TEXT, AT(cse_id), "in-cse", 0, 0, gh_stem_valid, "the stem of a CSE-ID", NULL,
     "CSE-ID without the slash"},
    {"rn", GH_CONF_TEXT, AT(cse_rn), "cse-in", 0, 0, gh_resource_name_valid, "a resource name", NULL,
     "name of the <CSEBase>"},
    {"fqdn", GH_CONF_TEXT, AT(cse.fqdn), NULL, 0, 0, gh_fqdn_valid, "an FQDN", NULL, "public domain name of the CSE"},
    {"endpoint", GH_CONF_TEXT, AT(cse.endpoint), NULL, 0, 0, gh_endpoint_valid, ENDPOINT_FORM, NULL, ENDPOINT_FORM},
    {"coap", GH_CONF_TEXT, AT(cse.coap), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL,
     "the same for CoAP over DTLS; empty: not reached so"},
    {"coaps_tcp", GH_CONF_TEXT, AT(cse.coaps_tcp), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL,
     "the same for CoAP over TLS"},
};
static const gh_conf_key mqtt_keys[] = {
    {"broker", GH_CONF_TEXT, AT(mqtt_broker), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL,
     "its listener for pre-shared keys; empty: no MQTT"},
    {"name", GH_CONF_TEXT, AT(mqtt_name), "", 0, 0, fqdn_or_none, "an FQDN", NULL, "its FQDN"},
    {"prefix", GH_CONF_TEXT, AT(mqtt_prefix), "", 0, 0, gh_mqtt_prefix_valid, "topic levels", NULL,
     "topic levels in front of /oneM2M; empty: none"},
};
static const gh_conf_table mqtt_table = {mqtt_keys, sizeof mqtt_keys / sizeof *mqtt_keys};

static const gh_conf_table cse_table = {cse_keys, sizeof cse_keys / sizeof *cse_keys};

static const gh_conf_key mef_keys[] = {
    {"fqdn", GH_CONF_TEXT, AT(mef.fqdn), NULL, 0, 0, gh_fqdn_valid, "an FQDN", NULL, "MEF-FQDN"},
    {"endpoint", GH_CONF_TEXT, AT(mef.endpoint), NULL, 0, 0, gh_endpoint_valid, ENDPOINT_FORM, NULL, NULL},
    {"coap", GH_CONF_TEXT, AT(mef.coap), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL, NULL},
    {"coaps_tcp", GH_CONF_TEXT, AT(mef.coaps_tcp), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL, NULL},
};
static const gh_conf_table mef_table = {mef_keys, sizeof mef_keys / sizeof *mef_keys};

static const gh_conf_key maf_keys[] = {
    {"fqdn", GH_CONF_TEXT, AT(maf.fqdn), "", 0, 0, fqdn_or_none, "an FQDN", NULL, "MAF-FQDN; empty: no MAF"},
    {"endpoint", GH_CONF_TEXT, AT(maf.endpoint), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL, NULL},
    {"coap", GH_CONF_TEXT, AT(maf.coap), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL, NULL},
    {"coaps_tcp", GH_CONF_TEXT, AT(maf.coaps_tcp), "", 0, 0, endpoint_or_none, ENDPOINT_FORM, NULL, NULL},
};
static const gh_conf_table maf_table = {maf_keys, sizeof maf_keys / sizeof *maf_keys};

static const gh_conf_key keys[] = {
    {"sp_id", GH_CONF_TEXT, AT(sp_id), NULL, 0, 0, gh_fqdn_valid, "an FQDN", NULL,
     "M2M service provider; also the administrating stakeholder (adminFQDN)"},
    {"kpm_id", GH_CONF_TEXT, AT(kpm_id), NULL, 0, 0, key_id, "a key identifier name@MEF-FQDN", NULL,
     "KpmID (TS-0003 10.5); the key itself is in keys.sealed"},
    {"cse", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &cse_table, "the registrar CSE"},
    {"mef", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &mef_table, "M2M enrolment function"},
    {"maf", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &maf_table, "M2M authentication function"},
    {"mqtt", GH_CONF_GROUP, 0, NULL, 0, 0, NULL, NULL, &mqtt_table, "a broker, to the CSE"},
    {"binding", GH_CONF_TEXT, AT(binding), "http", 0, 0, gh_device_binding_valid, BINDINGS, NULL,
     BINDINGS ": how requests travel"},
    {"serialization", GH_CONF_TEXT, AT(serialization), "json", 0, 0, gh_device_serialization_valid,
     "\"json\" or \"cbor\"", NULL,
     "of requests to the CSE, and of those that it is asked to send: \"json\" or \"cbor\""},
    {"security_policy", GH_CONF_TEXT, AT(security_policy), "modern", 0, 0, policy, "the name of a security policy",
     NULL,
     "suites, groups and versions: modern, ts0003-r3 (the suites of the standard alone) or constrained (CCM_8 "
     "first)"},
    {"tls13", GH_CONF_SWITCH, AT(tls13), "true", 0, 0, NULL, NULL, NULL,
     "offer TLS 1.3 beside TLS 1.2, where the policy has it"},
    {"timeout_ms", GH_CONF_NUMBER, AT(timeout_ms), "10000", 100, 600000, NULL, NULL, NULL,
     "of a handshake and of a request"},
    {"datagram_mtu", GH_CONF_NUMBER, AT(datagram_mtu), "1280", 576, 9000, NULL, NULL, NULL,
     "CoAP over DTLS: largest IP packet of a handshake and of a request"},
    {"registration_s", GH_CONF_NUMBER, AT(registration_s), "2592000", 60, INT64_C(3155760000), NULL, NULL, NULL,
     "life that is asked for client registrations, seconds; the server may shorten it"},
    {"key_s", GH_CONF_NUMBER, AT(key_s), "604800", 60, INT64_C(3155760000), NULL, NULL, NULL,
     "life that is asked for registered keys, seconds"},
};
const gh_conf_table gh_device_conf_table = {keys, sizeof keys / sizeof *keys};

void gh_device_config_defaults(gh_device_config *config)
{
  *config = (gh_device_config){.tls13 = false};
  gh_conf_defaults(&gh_device_conf_table, config);
}

gh_err gh_device_conf_read(gh_device *device, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES];
  gh_conf conf;
  GH_TRY(gh_device_path(device->dir, "device.conf", path, diag));
  if (access(path, F_OK) != 0 && errno == ENOENT)
    return gh_fail(diag, GH_ENOTFOUND, "%s is no device's folder: it has no device.conf", device->dir);
  GH_TRY(gh_conf_open(path, &conf, diag));
  gh_err err = gh_conf_read(&conf, gh_conf_root(&conf), &gh_device_conf_table, &device->arena, &device->config, diag);
  gh_conf_close(&conf);
  return err;
}

static gh_err check_text(const gh_conf_key *key, const char *group, const gh_device_config *config, gh_diag *diag)
{
  if (key->kind != GH_CONF_TEXT) return GH_OK;
  gh_str text = *(const gh_str *)((const char *)config + key->offset);
  if (key->valid(text)) return GH_OK;
  return gh_fail(diag, GH_EINVAL, "%s%s%s: '%.*s' is not %s", group, group[0] ? "." : "", key->name, GH_STR_ARG(text),
                 key->expects);
}

static gh_err check_table(const gh_conf_table *table, const char *group, const gh_device_config *config,
                          gh_diag *diag)
{
  for (size_t i = 0; i < table->count; i++) {
    const gh_conf_key *key = &table->keys[i];
    if (key->kind == GH_CONF_GROUP)
      GH_TRY(check_table(key->group, key->name, config, diag));
    else
      GH_TRY(check_text(key, group, config, diag));
  }
  return GH_OK;
}

gh_err gh_device_conf_check(const gh_device_config *config, gh_diag *diag)
{
  return check_table(&gh_device_conf_table, "", config, diag);
}

gh_err gh_device_conf_write(const char *dir, const gh_device_config *config, gh_diag *diag)
{
  char path[GH_DEVICE_PATH_BYTES];
  GH_TRY(gh_device_path(dir, "device.conf", path, diag));
  gh_buf text = GH_BUF_INIT;
  gh_buf_add(&text, GH_STR("# State folder of a oneM2M device. Keys are in keys.sealed, never here.\n"));
  gh_conf_write(&text, &gh_device_conf_table, config, 0, true);
  gh_err err = gh_private_file_create(path, gh_buf_str(&text), diag);
  gh_buf_free(&text);
  return err;
}
