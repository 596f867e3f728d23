/* Keys by (kind, identifier): a hash table in memory, sealed rows in the store. */
#include "host/keyring.h"

#include <pthread.h>
#include <stdlib.h>

#include "host/host.h"
#include "m2m/json.h"

enum { BUCKETS = 65536 };

typedef struct entry {
  struct entry *next;
  gh_key_kind kind;
  gh_str id, owner, credential_id, targets, suids, sealed;
  int suid;
  int64_t not_after_us;
} entry;

struct gh_keyring {
  pthread_rwlock_t lock;
  gh_se *se;
  gh_clock clock;
  entry **buckets;
};

static const char *const kind_names[] = {"kpm", "km", "kpsa", "ke", "reg", "rpk", "gone", "kc"};

static gh_str kind_text(gh_key_kind kind)
{
  return gh_str_of(kind_names[kind]);
}

static bool kind_of_text(gh_str text, gh_key_kind *out)
{
  for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
    if (gh_str_eq(text, gh_str_of(kind_names[i]))) {
      *out = (gh_key_kind)i;
      return true;
    }
  return false;
}

static size_t bucket_of(gh_key_kind kind, gh_str id)
{
  uint32_t h = 2166136261u ^ (uint32_t)kind;
  for (size_t i = 0; i < id.len; i++) h = (h ^ (uint8_t)id.ptr[i]) * 16777619u;
  return h % BUCKETS;
}

gh_keyring *gh_keyring_new(gh_se *se, const gh_clock *clock)
{
  gh_keyring *keyring = gh_calloc(1, sizeof *keyring);
  keyring->se = se;
  keyring->clock = *clock;
  keyring->buckets = gh_calloc(BUCKETS, sizeof(entry *));
  pthread_rwlock_init(&keyring->lock, NULL);
  return keyring;
}

static void free_entry(entry *e)
{
  gh_str *texts[] = {&e->id, &e->owner, &e->credential_id, &e->targets, &e->suids, &e->sealed};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) gh_str_release(texts[i]);
  free(e);
}

void gh_keyring_free(gh_keyring *keyring)
{
  if (!keyring) return;
  for (size_t i = 0; i < BUCKETS; i++)
    for (entry *e = keyring->buckets[i], *next; e; e = next) {
      next = e->next;
      free_entry(e);
    }
  free(keyring->buckets);
  pthread_rwlock_destroy(&keyring->lock);
  free(keyring);
}

static entry **find(gh_keyring *keyring, gh_key_kind kind, gh_str id)
{
  entry **at = &keyring->buckets[bucket_of(kind, id)];
  while (*at && !((*at)->kind == kind && gh_str_eq((*at)->id, id))) at = &(*at)->next;
  return at;
}

static void put_entry(gh_keyring *keyring, entry *e)
{
  pthread_rwlock_wrlock(&keyring->lock);
  entry **at = find(keyring, e->kind, e->id);
  entry *old = *at;
  e->next = old ? old->next : NULL;
  *at = e;
  pthread_rwlock_unlock(&keyring->lock);
  if (old) free_entry(old);
}

static void drop_entry(gh_keyring *keyring, gh_key_kind kind, gh_str id)
{
  pthread_rwlock_wrlock(&keyring->lock);
  entry **at = find(keyring, kind, id);
  entry *old = *at;
  if (old) *at = old->next;
  pthread_rwlock_unlock(&keyring->lock);
  if (old) free_entry(old);
}

bool gh_keyring_has(gh_keyring *keyring, gh_key_kind kind, gh_str id)
{
  pthread_rwlock_rdlock(&keyring->lock);
  bool has = *find(keyring, kind, id) != NULL;
  pthread_rwlock_unlock(&keyring->lock);
  return has;
}

static gh_str aad_of(gh_arena *arena, gh_key_kind kind, gh_str id)
{
  return gh_arena_fmt(arena, "%s:%.*s", kind_names[kind], GH_STR_ARG(id));
}

gh_err gh_keyring_find(gh_keyring *keyring, gh_arena *arena, gh_key_kind kind, gh_str id, gh_key_record *out)
{
  gh_str sealed = GH_STR_NONE, plain;
  pthread_rwlock_rdlock(&keyring->lock);
  const entry *e = *find(keyring, kind, id);
  if (e) {
    *out = (gh_key_record){.kind = kind,
                           .id = gh_arena_dup(arena, e->id),
                           .suid = e->suid,
                           .owner = gh_arena_dup(arena, e->owner),
                           .credential_id = gh_arena_dup(arena, e->credential_id),
                           .targets = gh_arena_dup(arena, e->targets),
                           .suids = gh_arena_dup(arena, e->suids),
                           .not_after_us = e->not_after_us};
    sealed = gh_arena_dup(arena, e->sealed);
  }
  pthread_rwlock_unlock(&keyring->lock);
  GH_REQUIRE(e, GH_ENOTFOUND);
  GH_REQUIRE(!out->not_after_us || out->not_after_us > gh_clock_wall_us(&keyring->clock), GH_EEXPIRED);
  if (gh_str_empty(sealed)) return GH_OK;
  GH_TRY(gh_se_unwrap(keyring->se, arena, aad_of(arena, kind, out->id), sealed, &plain));
  gh_err err = gh_secret_set(&out->key, plain.ptr, plain.len);
  union {
    const char *borrowed;
    char *owned;
  } wipe = {.borrowed = plain.ptr};
  gh_wipe(wipe.owned, plain.len);
  return err;
}

/* Later end is better; 0 is no end. */
static bool ends_later(const entry *a, const entry *b)
{
  return !b || !a->not_after_us || (b->not_after_us && a->not_after_us > b->not_after_us);
}

gh_err gh_keyring_find_owned(gh_keyring *keyring, gh_arena *arena, gh_key_kind kind, gh_str owner, gh_key_record *out)
{
  const entry *best = NULL;
  gh_str id = GH_STR_NONE;
  pthread_rwlock_rdlock(&keyring->lock);
  for (size_t i = 0; i < BUCKETS; i++)
    for (const entry *e = keyring->buckets[i]; e; e = e->next)
      if (e->kind == kind && gh_str_eq(e->owner, owner) && ends_later(e, best)) best = e;
  if (best) id = gh_arena_dup(arena, best->id);
  pthread_rwlock_unlock(&keyring->lock);
  return best ? gh_keyring_find(keyring, arena, kind, id, out) : GH_ENOTFOUND;
}

static gh_str info_text(gh_arena *arena, const gh_key_record *r)
{
  gh_val *o = gh_val_object(arena);
  gh_val_set(arena, o, GH_STR("suid"), gh_val_int(arena, r->suid));
  gh_val_set(arena, o, GH_STR("owner"), gh_val_str(arena, r->owner));
  gh_val_set(arena, o, GH_STR("credential"), gh_val_str(arena, r->credential_id));
  gh_val_set(arena, o, GH_STR("targets"), gh_val_str(arena, r->targets));
  gh_val_set(arena, o, GH_STR("suids"), gh_val_str(arena, r->suids));
  gh_buf text = GH_BUF_INIT;
  gh_json_write(&text, o);
  gh_str copy = gh_arena_dup(arena, gh_buf_str(&text));
  gh_buf_free(&text);
  return copy;
}

static entry *new_entry(const gh_key_record *r, gh_str sealed)
{
  entry *e = gh_calloc(1, sizeof *e);
  *e = (entry){.kind = r->kind,
               .id = gh_str_clone(r->id),
               .owner = gh_str_clone(r->owner),
               .credential_id = gh_str_clone(r->credential_id),
               .targets = gh_str_clone(r->targets),
               .suids = gh_str_clone(r->suids),
               .sealed = gh_str_clone(sealed),
               .suid = r->suid,
               .not_after_us = r->not_after_us};
  return e;
}

static gh_err load_key(void *ctx, const gh_store_key *row)
{
  gh_keyring *keyring = ctx;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_key_record r = {.id = row->id, .not_after_us = row->not_after_us};
  gh_val *info;
  int64_t suid = 0;
  gh_err err = kind_of_text(row->kind, &r.kind) ? GH_OK : GH_EUNSUPPORTED;
  if (err == GH_OK) err = gh_json_parse(&arena, row->info, &gh_json_default_limits, &info, NULL);
  if (err == GH_OK) {
    gh_val_get_int(info, GH_STR("suid"), &suid);
    gh_val_get_str(info, GH_STR("owner"), &r.owner);
    gh_val_get_str(info, GH_STR("credential"), &r.credential_id);
    gh_val_get_str(info, GH_STR("targets"), &r.targets);
    gh_val_get_str(info, GH_STR("suids"), &r.suids);
    r.suid = (int)suid;
    put_entry(keyring, new_entry(&r, row->sealed));
  }
  gh_arena_free(&arena);
  return err;
}

gh_err gh_keyring_load(gh_keyring *keyring, gh_store *store, gh_diag *diag)
{
  gh_err err = gh_store_each_key(store, load_key, keyring);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "a key record of the store cannot be read");
}

static void commit_put(gh_host *host, void *ctx)
{
  const entry *staged = ctx;
  gh_key_record r = {.kind = staged->kind,
                     .id = staged->id,
                     .suid = staged->suid,
                     .owner = staged->owner,
                     .credential_id = staged->credential_id,
                     .targets = staged->targets,
                     .suids = staged->suids,
                     .not_after_us = staged->not_after_us};
  put_entry(host->keyring, new_entry(&r, staged->sealed));
}

static void commit_remove(gh_host *host, void *ctx)
{
  const entry *staged = ctx;
  drop_entry(host->keyring, staged->kind, staged->id);
  gh_host_revoke_key(host, staged->id);
}

static void drop_staged(void *ctx)
{
  free_entry(ctx);
}

gh_err gh_keyring_put(gh_host *host, gh_store_txn *txn, const gh_key_record *record)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_str sealed = GH_STR_NONE;
  gh_err err = GH_OK;
  if (record->key.len)
    err = gh_se_wrap(host->se, &arena, aad_of(&arena, record->kind, record->id),
                     (gh_str){(const char *)record->key.bytes, record->key.len}, &sealed);
  gh_store_key row = {.id = record->id,
                      .kind = kind_text(record->kind),
                      .sealed = sealed,
                      .info = info_text(&arena, record),
                      .not_after_us = record->not_after_us};
  if (err == GH_OK) err = gh_txn_put_key(txn, &row);
  if (err == GH_OK) gh_host_after_commit(host, commit_put, drop_staged, new_entry(record, sealed));
  gh_arena_free(&arena);
  return err;
}

gh_err gh_keyring_remove(gh_host *host, gh_store_txn *txn, gh_key_kind kind, gh_str id, bool tombstone)
{
  GH_TRY(gh_txn_delete_key(txn, kind_text(kind), id));
  gh_key_record gone = {.kind = GH_KEY_GONE, .id = id};
  if (tombstone) GH_TRY(gh_keyring_put(host, txn, &gone));
  gh_key_record removed = {.kind = kind, .id = id};
  gh_host_after_commit(host, commit_remove, drop_staged, new_entry(&removed, GH_STR_NONE));
  return GH_OK;
}
