/* gatehouse ca issue: a certificate of the realm's CA for somebody whose key is not kept by Gatehouse: a broker, a
 * device with certificates. */
#include "cmd/realm_pki.h"
#include "cmd/verbs.h"
#include "m2m/ids.h"

static gh_exit report(gh_call *call, gh_str name)
{
  gh_val *o = gh_val_object(&call->arena);
  gh_val_set(&call->arena, o, GH_STR("name"), gh_val_str(&call->arena, name));
  gh_val_set(&call->arena, o, GH_STR("certificate"),
             gh_val_str(&call->arena, gh_call_text(call, "cert", GH_STR_NONE)));
  gh_val_set(&call->arena, o, GH_STR("key"), gh_val_str(&call->arena, gh_call_text(call, "key", GH_STR_NONE)));
  return gh_call_done(call, o);
}

static gh_exit run(gh_call *call)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_ca *ca = NULL;
  bool is_ae = gh_call_has(call, "ae-id");
  if (is_ae == gh_call_has(call, "fqdn")) return gh_call_misused(call, "one of --ae-id and --fqdn is needed");
  if (!gh_call_has(call, "cert") || !gh_call_has(call, "key"))
    return gh_call_misused(call, "--cert and --key are needed");
  gh_str name = gh_call_text(call, is_ae ? "ae-id" : "fqdn", GH_STR_NONE);
  gh_ca_order order = {.flavour = is_ae ? GH_CERT_AE_ID : GH_CERT_FQDN,
                       .name = name,
                       .days = (int)gh_call_number(call, "days", 365),
                       .cert_path = gh_call_text(call, "cert", GH_STR_NONE).ptr,
                       .key_path = gh_call_text(call, "key", GH_STR_NONE).ptr};
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  if (err == GH_OK) err = gh_ca_open(&realm, &ca, &diag);
  if (err == GH_OK) err = gh_ca_issue_to_files(ca, &order, &diag);
  gh_ca_free(ca);
  gh_realm_free(&realm);
  return err == GH_OK ? report(call, name) : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {
    {"ae-id", 0, GH_OPT_TEXT, "ID", "absolute AE-ID: an AE-ID certificate"},
    {"fqdn", 0, GH_OPT_TEXT, "NAME", "FQDN below the service provider's: of a broker, a function, a CSE"},
    {"cert", 0, GH_OPT_TEXT, "FILE", "where the certificate goes, PEM (required)"},
    {"key", 0, GH_OPT_TEXT, "FILE", "where the new private key goes, PEM, mode 0600 (required)"},
    {"days", 0, GH_OPT_DAYS, "N", "life (365)"},
    {.name = NULL}};

const gh_verb gh_verb_ca_issue = {
    .words = "ca issue",
    .operands = "REALM",
    .min_operands = 1,
    .max_operands = 1,
    .help = "a certificate of the realm's CA, with a new key in a file of its own",
    .details = "Needs ca.sealed, which may be kept off line otherwise. Functions and the administrator get theirs "
               "from init.",
    .options = options,
    .run = run,
};

static gh_exit run_renew(gh_call *call)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_ca *ca = NULL;
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  const gh_realm_function *f = err == GH_OK ? gh_realm_function_named(&realm, call->operands[1]) : NULL;
  if (err == GH_OK && !f) err = gh_realm_lacks(&realm, call->operands[1], &diag);
  if (err == GH_OK) err = gh_ca_open(&realm, &ca, &diag);
  if (err == GH_OK && f) err = gh_ca_renew_function(ca, &realm, f, (int)gh_call_number(call, "days", 825), &diag);
  gh_val *o = gh_val_object(&call->arena);
  if (f)
    gh_val_set(&call->arena, o, GH_STR("certificate"),
               gh_val_str(&call->arena, gh_arena_dup(&call->arena, f->certificate)));
  gh_ca_free(ca);
  gh_realm_free(&realm);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_call_note(call, "a running function takes it up on SIGHUP");
  return gh_call_done(call, o);
}

static const gh_opt renew_options[] = {{"days", 0, GH_OPT_DAYS, "N", "life (825)"}, {.name = NULL}};

const gh_verb gh_verb_ca_renew = {
    .words = "ca renew",
    .operands = "REALM FUNCTION",
    .min_operands = 2,
    .max_operands = 2,
    .help = "a new certificate for the key of a function",
    .details = "The running function takes it up when it gets SIGHUP; associations that stand are not touched.",
    .options = renew_options,
    .run = run_renew,
};

/* Letter case does not count in a name. */
static gh_str lower(gh_call *call, gh_str text)
{
  gh_str copy = gh_arena_dup(&call->arena, text);
  char *at = (char *)(uintptr_t)copy.ptr;
  for (size_t i = 0; i < copy.len; i++)
    if (at[i] >= 'A' && at[i] <= 'Z') at[i] = (char)(at[i] - 'A' + 'a');
  return copy;
}

static gh_exit run_name(gh_call *call)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_ca *ca = NULL;
  gh_random random = gh_random_system();
  gh_str name = lower(call, call->operands[2]);
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  const gh_realm_function *f = err == GH_OK ? gh_realm_function_named(&realm, call->operands[1]) : NULL;
  if (err == GH_OK && !f) err = gh_realm_lacks(&realm, call->operands[1], &diag);
  if (err == GH_OK && !gh_fqdn_valid(name))
    err = gh_fail(&diag, GH_EINVAL, "'%.*s' is not an FQDN", GH_STR_ARG(name));
  if (err == GH_OK) err = gh_ca_open(&realm, &ca, &diag);
  if (err == GH_OK && f)
    err = gh_ca_equip_name(ca, &realm, f, name, (int)gh_call_number(call, "days", 825), &random, &diag);
  gh_val *o = gh_val_object(&call->arena);
  gh_val_set(&call->arena, o, GH_STR("name"), gh_val_str(&call->arena, name));
  if (f)
    gh_val_set(&call->arena, o, GH_STR("certificate"),
               gh_val_str(&call->arena, gh_realm_name_certificate(&call->arena, f, name)));
  gh_ca_free(ca);
  gh_realm_free(&realm);
  if (err != GH_OK) return gh_call_failed(call, err, &diag);
  gh_call_note(call, "add it to 'names' of the function in gatehouse.conf; a running one takes it up on SIGHUP");
  return gh_call_done(call, o);
}

const gh_verb gh_verb_ca_name = {
    .words = "ca name",
    .operands = "REALM FUNCTION FQDN",
    .min_operands = 3,
    .max_operands = 3,
    .help = "key and certificate for a further name of a function",
    .details =
        "The private key goes into a sealed file beside the function's. Clients choose the name by SNI; one that "
        "asks for a name that the function does not have is refused.",
    .options = renew_options,
    .run = run_name,
};
