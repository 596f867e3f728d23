/* gatehouse device certificate: a certificate for the associations with the CSE. */
#include "client/secret_file.h"
#include "cmd/device_call.h"
#include "cmd/verbs.h"

#include <errno.h>
#include <string.h>

enum { PEM_MAX_BYTES = 65536 };

/* What is no secret. */
static gh_err read_public(gh_call *call, const char *option, gh_str *out, gh_diag *diag)
{
  const char *path = gh_call_text(call, option, GH_STR_NONE).ptr;
  FILE *file = fopen(path, "re");
  if (!file) return gh_fail(diag, GH_ENOTFOUND, "%s: %s", path, strerror(errno));
  char *text = gh_arena_alloc(&call->arena, PEM_MAX_BYTES);
  *out = (gh_str){text, fread(text, 1, PEM_MAX_BYTES, file)};
  fclose(file);
  return out->len < PEM_MAX_BYTES ? GH_OK : gh_fail(diag, GH_ELIMIT, "%s is too long", path);
}

static gh_device_status_policy policy_of(gh_call *call, const char *option)
{
  gh_str name = gh_call_text(call, option, GH_STR_NONE);
  if (gh_str_eq(name, GH_STR("require"))) return GH_DEVICE_STATUS_REQUIRE;
  if (gh_str_eq(name, GH_STR("soft"))) return GH_DEVICE_STATUS_SOFT;
  return name.len ? GH_DEVICE_STATUS_OFF : GH_DEVICE_STATUS_USUAL;
}

static gh_device_revocation sources_of(gh_call *call)
{
  return (gh_device_revocation){.crl_file = gh_call_text(call, "crl", GH_STR_NONE),
                                .crl_url = gh_call_text(call, "crl-url", GH_STR_NONE),
                                .ocsp_url = gh_call_text(call, "ocsp", GH_STR_NONE),
                                .ocsp = policy_of(call, "ocsp-policy"),
                                .stapling = policy_of(call, "stapling")};
}

static gh_err take(gh_call *call, gh_device *device, gh_diag *diag)
{
  gh_device_certificate certificate = {.key_pem = GH_STR_NONE};
  gh_buf key = GH_BUF_INIT;
  gh_err err = read_public(call, "cert", &certificate.chain_pem, diag);
  if (err == GH_OK) err = read_public(call, "anchors", &certificate.anchors_pem, diag);
  if (err == GH_OK) err = gh_private_file_read(gh_call_text(call, "key-file", GH_STR_NONE).ptr, &key, diag);
  certificate.key_pem = gh_buf_str(&key);
  certificate.revocation = sources_of(call);
  gh_diag why = {""};
  if (err == GH_OK && (err = gh_device_set_certificate(device, &certificate, &why)) != GH_OK)
    gh_fail(diag, err, "--key-file %s, --cert %s, --anchors %s: %s", gh_call_text(call, "key-file", GH_STR_NONE).ptr,
            gh_call_text(call, "cert", GH_STR_NONE).ptr, gh_call_text(call, "anchors", GH_STR_NONE).ptr, why.text);
  gh_buf_wipe_free(&key);
  return err;
}

static gh_exit run(gh_call *call)
{
  static const char *const needed[] = {"cert", "key-file", "anchors"};
  gh_device *device;
  gh_diag diag = {""};
  for (size_t i = 0; i < 3; i++)
    if (!gh_call_has(call, needed[i])) return gh_call_misused(call, "--%s is missing", needed[i]);
  gh_err err = gh_call_device(call, &device, &diag);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  err = take(call, device, &diag);
  gh_val *o = gh_val_object(&call->arena);
  if (err == GH_OK) gh_put_state(call, o, device);
  gh_device_close(device);
  return err == GH_OK ? gh_call_done(call, o) : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {
    {"cert", 0, GH_OPT_TEXT, "FILE", "certificate of the AE, its node or its device, then its chain; PEM (required)"},
    {"key-file", 0, GH_OPT_TEXT, "FILE", "its private key, PEM, in a file of mode 0600 (required)"},
    {"anchors", 0, GH_OPT_TEXT, "FILE", "CA certificates that the CSE's must lead to, PEM (required)"},
    {"crl", 0, GH_OPT_TEXT, "FILE",
     "lists of revoked certificates, PEM or DER, read again when they change; without a valid one that speaks for "
     "the "
     "CSE's there is no association (none)"},
    {"crl-url", 0, GH_OPT_TEXT, "URL",
     "the same, fetched over http when it is needed, and again before it ends (none)"},
    {"ocsp", 0, GH_OPT_TEXT, "URL", "a responder (http) that is asked about the CSE's certificate (nobody is asked)"},
    {"ocsp-policy", 0, GH_OPT_CHOICE, "require|soft",
     "without an answer of it: no association, or one all the same (require)"},
    {"stapling", 0, GH_OPT_CHOICE, "require|soft|off",
     "the answer of a responder that the CSE sends in the handshake: it must be there unless another source speaks, "
     "it counts where it "
     "is there, or it is not asked for (soft)"},
    GH_OPT_PASSPHRASE,
    {.name = NULL}};

const gh_verb gh_verb_device_certificate = {
    .words = "device certificate",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "give a device a certificate for its associations with the CSE",
    .details =
        "Key, certificate and anchors are copied into keys.sealed; the key is never shown. The device uses them "
        "from now on, in\nboth directions (device listen); it needs neither MEF nor MAF. A realm's CA issues "
        "them: gatehouse ca issue --ae-id. Of --crl the path is kept, not the "
        "lists. Whether the CSE's certificate is revoked is\nlooked up with --crl, --crl-url, --ocsp and --stapling; "
        "they are kept with the certificate, and hold until one is given again.",
    .options = options,
    .run = run,
};
