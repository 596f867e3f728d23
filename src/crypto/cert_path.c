/* Owns the judgement of a whole chain. Must never accept a name that a constraint above it does not let through, nor
 * a constraint that it cannot read. */
#include "crypto/cert_path.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/cert_names.h"
#include "crypto/cert_private.h"

static gh_err refuse(gh_diag *diag, const char *why, int depth)
{
  ERR_clear_error();
  return gh_fail(diag, GH_EAUTH, "certificate path: %s (depth %d)", why, depth);
}

/* ---- device names: compared as whole object identifiers, arc by arc */

typedef enum name_kind {
  NAME_NONE,     /* no otherName at all */
  NAME_DEVICE,   /* read as an object identifier */
  NAME_HARDWARE, /* names a device, but in a form that no subtree of object identifiers contains */
  NAME_FOREIGN   /* an otherName of somebody else's */
} name_kind;

static name_kind device_name(gh_arena *arena, const GENERAL_NAME *name, gh_str *oid)
{
  if (name->type != GEN_OTHERNAME && name->type != GEN_RID) return NAME_NONE;
  if (gh_cert_device_oid(arena, name, oid) == GH_OK) return NAME_DEVICE;
  return gh_cert_names_device(name) ? NAME_HARDWARE : NAME_FOREIGN;
}

static bool within(gh_str name, gh_str subtree)
{
  return gh_str_starts(name, subtree) && (name.len == subtree.len || name.ptr[subtree.len] == '.');
}

/* Is the subtree one that we can judge: a device name without minimum and maximum? */
static bool readable(gh_arena *arena, const GENERAL_SUBTREE *subtree, gh_str *oid)
{
  bool bounded = (subtree->minimum && ASN1_INTEGER_get(subtree->minimum) != 0) || subtree->maximum;
  return !bounded && subtree->base->type == GEN_OTHERNAME && device_name(arena, subtree->base, oid) == NAME_DEVICE;
}

static bool same_form(const GENERAL_NAME *a, const GENERAL_NAME *b)
{
  return a->type == GEN_OTHERNAME && b->type == GEN_OTHERNAME &&
         OBJ_cmp(a->d.otherName->type_id, b->d.otherName->type_id) == 0;
}

/* One name against one list of subtrees. A subtree over other names of the same form, which nobody here can read,
 * counts against the name in either list. */
typedef struct match {
  bool constrains, inside, unreadable;
} match;

static match match_trees(gh_arena *arena, const GENERAL_NAME *name, name_kind kind, gh_str oid,
                         const STACK_OF(GENERAL_SUBTREE) * trees)
{
  match m = {.inside = false};
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
    const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(trees, i);
    gh_str base;
    if (tree->base->type != GEN_OTHERNAME) continue;
    if (readable(arena, tree, &base)) {
      m.constrains = true;
      m.inside |= kind == NAME_DEVICE && within(oid, base);
      m.unreadable |= kind != NAME_DEVICE && same_form(name, tree->base);
    } else {
      m.unreadable |= same_form(name, tree->base);
    }
  }
  return m;
}

/*= TS-0003 10.1.1.4.2; a subtree is an otherName: type-id the indication, value the remaining arcs */
static gh_err judge_name(gh_arena *arena, const GENERAL_NAME *name, const NAME_CONSTRAINTS *nc, int depth,
                         gh_diag *diag)
{
  gh_str oid = GH_STR_NONE;
  name_kind kind = device_name(arena, name, &oid);
  if (kind == NAME_NONE) return GH_OK;
  match permitted = match_trees(arena, name, kind, oid, nc->permittedSubtrees);
  match excluded = match_trees(arena, name, kind, oid, nc->excludedSubtrees);
  if (permitted.unreadable || excluded.unreadable)
    return refuse(diag, "a name constraint over an otherName cannot be read", depth);
  if (excluded.inside) return refuse(diag, "a device name is in an excluded subtree", depth);
  /* whoever may name devices of some subtrees only may not name one in another form either */
  if (permitted.constrains && !permitted.inside && kind != NAME_FOREIGN)
    return refuse(diag, "a device name is outside the permitted subtrees", depth);
  return GH_OK;
}

static gh_err judge_names(X509 *cert, const NAME_CONSTRAINTS *nc, int depth, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = GH_OK;
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; err == GH_OK && i < sk_GENERAL_NAME_num(names); i++)
    err = judge_name(&arena, sk_GENERAL_NAME_value(names, i), nc, depth, diag);
  GENERAL_NAMES_free(names);
  gh_arena_free(&arena);
  return err;
}

/* Does RFC 5280 6.1.3 (b) look at the names of this certificate? Not at those of a self-issued intermediate. */
static bool is_judged(X509 *cert, int depth)
{
  return depth == 0 || X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) != 0;
}

gh_err gh_cert_path_device_names(STACK_OF(X509) * chain, gh_diag *diag)
{
  for (int above = 1; above < sk_X509_num(chain); above++) {
    int critical;
    NAME_CONSTRAINTS *nc = X509_get_ext_d2i(sk_X509_value(chain, above), NID_name_constraints, &critical, NULL);
    if (!nc && critical != -1) return refuse(diag, "name constraints cannot be read", above);
    gh_err err = GH_OK;
    for (int i = 0; nc && err == GH_OK && i < above; i++)
      if (is_judged(sk_X509_value(chain, i), i)) err = judge_names(sk_X509_value(chain, i), nc, i, diag);
    NAME_CONSTRAINTS_free(nc);
    GH_TRY(err);
  }
  return GH_OK;
}

/* ---- error 51: OpenSSL gives up a whole certificate at the first otherName under an otherName constraint, and then
 * has not judged its other names. They are judged here, against the constraints without their otherNames. */

static void drop_other_names(STACK_OF(GENERAL_SUBTREE) * trees)
{
  for (int i = sk_GENERAL_SUBTREE_num(trees) - 1; i >= 0; i--)
    if (sk_GENERAL_SUBTREE_value(trees, i)->base->type == GEN_OTHERNAME)
      GENERAL_SUBTREE_free(sk_GENERAL_SUBTREE_delete(trees, i));
}

static bool bears_dns_name(X509 *cert)
{
  bool bears = false;
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) bears |= sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
  GENERAL_NAMES_free(names);
  return bears;
}

static bool rest_is_fine(X509 *cert, X509 *above, int depth)
{
  int critical;
  NAME_CONSTRAINTS *nc = X509_get_ext_d2i(above, NID_name_constraints, &critical, NULL);
  if (!nc) return critical == -1;
  drop_other_names(nc->permittedSubtrees);
  drop_other_names(nc->excludedSubtrees);
  bool fine = NAME_CONSTRAINTS_check(cert, nc) == X509_V_OK;
  if (fine && depth == 0 && !bears_dns_name(cert)) fine = NAME_CONSTRAINTS_check_CN(cert, nc) == X509_V_OK;
  NAME_CONSTRAINTS_free(nc);
  return fine;
}

static int on_verify(int ok, X509_STORE_CTX *ctx)
{
  if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE) return ok;
  STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
  int depth = X509_STORE_CTX_get_error_depth(ctx);
  X509 *cert = sk_X509_value(chain, depth);
  for (int above = depth + 1; above < sk_X509_num(chain); above++)
    if (!rest_is_fine(cert, sk_X509_value(chain, above), depth)) return 0;
  X509_STORE_CTX_set_error(ctx, X509_V_OK); /* device names are judged when the path stands */
  return 1;
}

/* ---- profile and purpose */

gh_err gh_cert_path_profile(STACK_OF(X509) * chain, gh_diag *diag)
{
  /*= TS-0003 10.1.1.3; every certificate that the peer sent. An anchor is a name and a key (RFC 5280 6.1.1) */
  int last = sk_X509_num(chain) - 1;
  for (int i = 0; i < last || (i == 0 && last == 0); i++) {
    gh_diag why = {""};
    if (gh_cert_check_profile(sk_X509_value(chain, i), &why) != GH_OK)
      return gh_fail(diag, GH_EAUTH, "%s (depth %d)", why.text, i);
  }
  if (!gh_cert_key_fits(sk_X509_value(chain, last)))
    return refuse(diag, "the key of the anchor is not an uncompressed point of P-256", last);
  return GH_OK;
}

gh_err gh_cert_purpose(X509 *cert, gh_cert_role role, gh_diag *diag)
{
  uint32_t wanted = role == GH_CERT_OF_SERVER ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
  if (X509_get_extended_key_usage(cert) & wanted) return GH_OK; /* all bits are set where it is absent */
  return refuse(diag, "extendedKeyUsage lacks the purpose", 0);
}

/* ---- the whole */

static bool own_rules(X509_STORE_CTX *ctx, gh_cert_role role, gh_diag *diag)
{
  STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
  if (sk_X509_num(chain) > GH_CERT_PATH_MAX + 1) {
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_CHAIN_TOO_LONG);
    return refuse(diag, "too many certificates", GH_CERT_PATH_MAX) == GH_OK;
  }
  if (gh_cert_path_profile(chain, diag) != GH_OK || gh_cert_purpose(sk_X509_value(chain, 0), role, diag) != GH_OK) {
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_INVALID_PURPOSE);
    return false;
  }
  if (gh_cert_path_device_names(chain, diag) != GH_OK) {
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_PERMITTED_VIOLATION);
    return false;
  }
  return true;
}

bool gh_cert_path_verify(X509_STORE_CTX *ctx, gh_cert_role role, gh_diag *diag)
{
  /*= TS-0003 8.1.2.2; basic path validation with the configured anchors and the chain that the peer sent */
  X509_STORE_CTX_set_verify_cb(ctx, on_verify);
  if (X509_verify_cert(ctx) != 1) {
    int error = X509_STORE_CTX_get_error(ctx);
    return refuse(diag, X509_verify_cert_error_string(error), X509_STORE_CTX_get_error_depth(ctx)) == GH_OK;
  }
  return own_rules(ctx, role, diag);
}
