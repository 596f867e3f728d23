/* gatehouse audit: the audit trail of a function, oldest record first. */
#include "cmd/config.h"
#include "cmd/verbs.h"
#include "m2m/m2m_time.h"
#include "store/store.h"

enum { DEFAULT_LIMIT = 20 };

typedef struct listing {
  gh_call *call;
  gh_val *rows;
} listing;

static void put(listing *l, gh_val *row, const char *name, gh_str text)
{
  gh_arena *a = &l->call->arena;
  gh_val_set(a, row, gh_str_of(name), gh_val_str(a, gh_arena_dup(a, text)));
}

/* The store gives the newest first. */
static void push_front(gh_val *rows, gh_val *row)
{
  row->next = rows->u.array.first;
  rows->u.array.first = row;
  if (!rows->u.array.last) rows->u.array.last = row;
  rows->u.array.count++;
}

static gh_err add_record(void *ctx, const gh_store_audit *r)
{
  listing *l = ctx;
  gh_arena *a = &l->call->arena;
  gh_val *row = gh_val_object(a);
  put(l, row, "time", gh_timestamp(a, r->time_us));
  put(l, row, "event", r->event);
  put(l, row, "outcome", r->outcome);
  gh_val_set(a, row, GH_STR("rsc"), gh_val_int(a, r->rsc));
  put(l, row, "originator", r->originator);
  put(l, row, "op", r->op);
  put(l, row, "target", r->target);
  put(l, row, "reason", r->reason);
  put(l, row, "rqi", r->rqi);
  if (l->call->json || gh_call_has(l->call, "detail")) {
    put(l, row, "credential", r->credential);
    put(l, row, "peer", r->peer);
    put(l, row, "detail", r->detail);
  }
  push_front(l->rows, row);
  return GH_OK;
}

static gh_err read_trail(gh_call *call, const gh_realm *realm, gh_val **rows, gh_diag *diag)
{
  const gh_realm_function *f = gh_realm_function_named(realm, call->operands[1]);
  if (!f) return gh_realm_lacks(realm, call->operands[1], diag);
  gh_store *store;
  listing l = {call, gh_val_array(&call->arena)};
  GH_TRY(gh_store_open_readonly(f->store.ptr, &store, diag));
  gh_err err = gh_store_each_audit(store, gh_call_text(call, "rqi", GH_STR("")),
                                   (size_t)gh_call_number(call, "limit", DEFAULT_LIMIT), add_record, &l);
  gh_store_close(store);
  *rows = l.rows;
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the audit trail of %.*s cannot be read", GH_STR_ARG(f->name));
}

static gh_exit run(gh_call *call)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_val *rows = NULL;
  gh_err err = gh_realm_read(call->operands[0].ptr, &realm, &diag);
  if (err == GH_OK) err = read_trail(call, &realm, &rows, &diag);
  if (err == GH_OK && rows && !rows->u.array.count) gh_call_note(call, "no record");
  gh_exit code = err == GH_OK ? gh_call_done(call, rows) : gh_call_failed(call, err, &diag);
  gh_realm_free(&realm);
  return code;
}

static const gh_opt options[] = {
    {"limit", 0, GH_OPT_NUMBER, "N", "the newest N records (20)"},
    {"rqi", 0, GH_OPT_TEXT, "ID", "only those of a request"},
    {"detail", 0, GH_OPT_FLAG, NULL, "credential, peer and trace too"},
    {.name = NULL},
};

const gh_verb gh_verb_audit = {
    .words = "audit",
    .operands = "REALM FUNCTION",
    .min_operands = 2,
    .max_operands = 2,
    .help = "refusals, and changes of keys, policies and registrations",
    .options = options,
    .run = run,
};
