/* Owns the secure environment in a sealed file (protection level 1 of TS-0003 table 6.3.1-1). Must never show a
 * change before it is durable, nor wait for the disk where only reading, wrapping or unwrapping is asked for. */
#include "se/se.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "se/se_backend.h"
#include "se/se_disk.h"
#include "se/se_file_cost.h"
#include "se/se_pages.h"
#include "se/se_seal.h"
#include "se/se_table.h"

enum { FILE_MAX_BYTES = GH_SEAL_HEADER_BYTES + GH_SE_MAX_IMAGE_BYTES + GH_SEAL_TAG_BYTES, WRAP_FORMAT = 1 };

typedef struct se_file {
  gh_se base;
  gh_se_disk disk;
  gh_random random;
  gh_seal_key *key;       /* in key pages */
  pthread_mutex_t writer; /* one change at a time; guards `header` */
  gh_seal_header header;  /* of the file as last read or written */
  pthread_mutex_t view;   /* guards the pointer `table`, never held for long */
  gh_se_table *table;
} se_file;

static se_file *file_of(gh_se *se)
{
  return (se_file *)se;
}

/* ---- the snapshot that readers see */

static gh_se_table *view_get(se_file *f)
{
  pthread_mutex_lock(&f->view);
  gh_se_table *table = gh_se_table_ref(f->table);
  pthread_mutex_unlock(&f->view);
  return table;
}

static void view_set(se_file *f, gh_se_table *next)
{
  pthread_mutex_lock(&f->view);
  gh_se_table *old = f->table;
  f->table = next;
  pthread_mutex_unlock(&f->view);
  gh_se_table_unref(old);
}

/* ---- file <-> table; all under `writer`, or before anybody else knows the handle */

static gh_err unseal(const gh_seal_header *header, const gh_seal_key *key, gh_str file, gh_se_table **out)
{
  uint8_t *plain = gh_se_pages_new(header->body_len);
  gh_err err = gh_seal_open(header, key, file, plain);
  if (err == GH_OK) err = gh_se_table_read((gh_str){(const char *)plain, header->body_len}, out);
  gh_se_pages_free(plain, header->body_len);
  return err;
}

/* The octets of the file that holds `table`; counts `header` up. */
static gh_err seal(se_file *f, const gh_se_table *table, gh_seal_header *header, gh_buf *out)
{
  uint8_t *image;
  size_t len;
  GH_TRY(gh_se_table_write(table, &image, &len));
  size_t whole = GH_SEAL_HEADER_BYTES + len + GH_SEAL_TAG_BYTES;
  uint8_t *octets = (uint8_t *)gh_buf_reserve(out, whole);
  gh_err err = gh_seal_write(header, f->key, &f->random, (gh_str){(const char *)image, len}, octets);
  if (err == GH_OK) gh_buf_added(out, whole);
  gh_se_pages_free(image, len);
  return err;
}

static bool same_state(const gh_seal_header *a, const gh_seal_header *b)
{
  return a->counter == b->counter && memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0;
}

/* Another process may have changed the file since we read it: its change must not be lost by ours. */
static gh_err catch_up(se_file *f)
{
  gh_buf octets = GH_BUF_INIT;
  gh_seal_header header;
  gh_se_table *table = NULL;
  gh_err err = gh_se_disk_read(&f->disk, FILE_MAX_BYTES, &octets, NULL);
  if (err == GH_OK) err = gh_seal_header_read(gh_buf_str(&octets), &header);
  if (err == GH_OK && memcmp(header.salt, f->header.salt, sizeof(header.salt)) != 0) err = GH_EAUTH;
  if (err == GH_OK && !same_state(&header, &f->header)) {
    err = unseal(&header, f->key, gh_buf_str(&octets), &table);
    if (err == GH_OK) {
      f->header = header;
      view_set(f, table);
    }
  }
  gh_buf_free(&octets);
  return err;
}

static gh_err store(se_file *f, gh_se_table *next)
{
  gh_buf octets = GH_BUF_INIT;
  gh_seal_header header = f->header;
  gh_err err = seal(f, next, &header, &octets);
  if (err == GH_OK) err = gh_se_disk_replace(&f->disk, gh_buf_str(&octets));
  if (err == GH_OK) f->header = header;
  gh_buf_free(&octets);
  return err;
}

/* A change: the next snapshot from the present one. GH_EEXIST: nothing to do. */
typedef struct change {
  gh_err (*next)(const struct change *change, const gh_se_table *now, gh_se_table **out);
  const gh_se_info *info; /* put */
  gh_str key;             /* put */
  gh_se_kind kind;        /* remove */
  gh_str id;              /* remove */
} change;

static gh_err change_under_lock(se_file *f, const change *c)
{
  GH_TRY(catch_up(f));
  gh_se_table *next;
  GH_TRY(c->next(c, f->table, &next)); /* only a writer replaces f->table, and we are it */
  gh_err err = store(f, next);
  if (err == GH_OK)
    view_set(f, next);
  else
    gh_se_table_unref(next);
  return err;
}

static gh_err apply(se_file *f, const change *c)
{
  int lock;
  pthread_mutex_lock(&f->writer);
  gh_err err = gh_se_disk_lock(&f->disk, &lock);
  if (err == GH_OK) {
    err = change_under_lock(f, c);
    gh_se_disk_unlock(lock);
  }
  pthread_mutex_unlock(&f->writer);
  return err;
}

/* ---- records */

static gh_err next_with(const change *c, const gh_se_table *now, gh_se_table **out)
{
  return gh_se_table_with(now, c->info, c->key, out);
}

static gh_err next_without(const change *c, const gh_se_table *now, gh_se_table **out)
{
  return gh_se_table_without(now, c->kind, c->id, out);
}

static gh_err file_put(gh_se *se, const gh_se_info *info, gh_str key)
{
  return apply(file_of(se), &(change){.next = next_with, .info = info, .key = key});
}

static gh_err file_remove(gh_se *se, gh_se_kind kind, gh_str id)
{
  return apply(file_of(se), &(change){.next = next_without, .kind = kind, .id = id});
}

static gh_err file_info(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_se_info *out)
{
  gh_se_table *table = view_get(file_of(se));
  const gh_se_record *r = gh_se_table_find(table, kind, id);
  if (r) {
    *out = r->info;
    out->id = gh_arena_dup(arena, r->info.id);
    out->owner = gh_arena_dup(arena, r->info.owner);
    out->peer = gh_arena_dup(arena, r->info.peer);
  }
  gh_se_table_unref(table);
  return r ? GH_OK : GH_ENOTFOUND;
}

static gh_err file_each(gh_se *se, bool (*fn)(void *ctx, const gh_se_info *info), void *ctx)
{
  gh_se_table *table = view_get(file_of(se));
  for (size_t i = 0; i < table->count; i++) {
    if (!fn(ctx, &table->records[i]->info)) break;
  }
  gh_se_table_unref(table);
  return GH_OK;
}

static gh_err file_use_psk(gh_se *se, gh_se_kind kind, gh_str id, int64_t *not_after_us, gh_secret *out)
{
  gh_se_table *table = view_get(file_of(se));
  const gh_se_record *r = gh_se_table_find(table, kind, id);
  gh_err err = r ? gh_secret_set(out, r->key.ptr, r->key.len) : GH_ENOTFOUND;
  if (r) *not_after_us = r->info.not_after_us;
  gh_se_table_unref(table);
  return err;
}

static gh_err file_use_blob(gh_se *se, gh_arena *arena, gh_se_kind kind, gh_str id, gh_str *out)
{
  gh_se_table *table = view_get(file_of(se));
  const gh_se_record *r = gh_se_table_find(table, kind, id);
  if (r) *out = gh_arena_dup(arena, r->key);
  gh_se_table_unref(table);
  return r ? GH_OK : GH_ENOTFOUND;
}

/*= TS-0003 10.7; what is derived from Ke ends no later than Ke */
static int64_t earlier_end(int64_t a, int64_t b)
{
  if (a == 0 || b == 0) return a ? a : b;
  return a < b ? a : b;
}

static gh_err file_derive_usage(gh_se *se, gh_str ke_id, gh_str target_fqdn, const gh_se_info *info)
{
  gh_secret ke = {.len = 0}, key = {.len = 0};
  gh_se_info derived = *info;
  int64_t ke_end = 0;
  gh_err err = file_use_psk(se, GH_SE_KE, ke_id, &ke_end, &ke);
  if (err == GH_OK) err = gh_kdf_usage(&ke, info->suid, target_fqdn, &key);
  derived.not_after_us = earlier_end(info->not_after_us, ke_end);
  if (err == GH_OK) err = file_put(se, &derived, (gh_str){(const char *)key.bytes, key.len});
  gh_secret_wipe(&ke);
  gh_secret_wipe(&key);
  return err;
}

/* ---- wrapping: format octet, nonce, ciphertext, tag */

enum { WRAP_OVERHEAD = 1 + GH_AEAD_NONCE_BYTES + GH_AEAD_TAG_BYTES };

static gh_str wrapping_id(void)
{
  return GH_STR("wrap-1");
}

/* Another process may have made one meanwhile: then that one counts. */
static gh_err next_with_wrapping(const change *c, const gh_se_table *now, gh_se_table **out)
{
  GH_REQUIRE(!gh_se_table_find(now, c->info->kind, c->info->id), GH_EEXIST);
  return next_with(c, now, out);
}

static gh_err make_wrapping_key(se_file *f)
{
  uint8_t key[GH_AEAD_KEY_BYTES];
  const gh_se_info info = {.kind = GH_SE_WRAPPING, .id = wrapping_id()};
  GH_TRY(gh_random_fill(&f->random, key, sizeof(key)));
  gh_err err =
      apply(f, &(change){.next = next_with_wrapping, .info = &info, .key = {(const char *)key, sizeof(key)}});
  gh_wipe(key, sizeof(key));
  return err == GH_EEXIST ? GH_OK : err;
}

/* A reference to the snapshot that holds *key. */
static gh_err wrapping_key(se_file *f, gh_se_table **table, const uint8_t **key)
{
  for (int attempt = 0; attempt < 2; attempt++) {
    *table = view_get(f);
    const gh_se_record *r = gh_se_table_find(*table, GH_SE_WRAPPING, wrapping_id());
    if (r && r->key.len == GH_AEAD_KEY_BYTES) {
      *key = (const uint8_t *)r->key.ptr;
      return GH_OK;
    }
    gh_se_table_unref(*table);
    if (attempt == 0) GH_TRY(make_wrapping_key(f));
  }
  return GH_EINTERNAL;
}

static gh_err file_wrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str plain, gh_str *sealed)
{
  se_file *f = file_of(se);
  gh_se_table *table;
  const uint8_t *key;
  uint8_t *out = gh_arena_alloc(arena, plain.len + WRAP_OVERHEAD);
  out[0] = WRAP_FORMAT;
  GH_TRY(gh_random_fill(&f->random, out + 1, GH_AEAD_NONCE_BYTES));
  GH_TRY(wrapping_key(f, &table, &key));
  gh_err err = gh_aead_seal(key, out + 1, aad, plain, out + 1 + GH_AEAD_NONCE_BYTES);
  gh_se_table_unref(table);
  if (err == GH_OK) *sealed = (gh_str){(const char *)out, plain.len + WRAP_OVERHEAD};
  return err;
}

static gh_err file_unwrap(gh_se *se, gh_arena *arena, gh_str aad, gh_str sealed, gh_str *plain)
{
  gh_se_table *table;
  const uint8_t *key;
  GH_REQUIRE(sealed.len >= WRAP_OVERHEAD && sealed.ptr[0] == WRAP_FORMAT, GH_ETAMPER);
  GH_TRY(wrapping_key(file_of(se), &table, &key));
  size_t len = sealed.len - WRAP_OVERHEAD;
  uint8_t *out = gh_arena_alloc(arena, len + 1);
  gh_err err = gh_aead_open(key, (const uint8_t *)sealed.ptr + 1, aad,
                            gh_str_sub(sealed, 1 + GH_AEAD_NONCE_BYTES, sealed.len), out);
  gh_se_table_unref(table);
  if (err == GH_OK) *plain = (gh_str){(const char *)out, len};
  return err;
}

/* ---- opening and closing */

static void file_close(gh_se *se)
{
  se_file *f = file_of(se);
  gh_se_table_unref(f->table);
  gh_se_pages_free(f->key, sizeof(*f->key));
  gh_se_disk_release(&f->disk);
  pthread_mutex_destroy(&f->writer);
  pthread_mutex_destroy(&f->view);
  free(f);
}

static const gh_se_ops file_ops = {.put = file_put,
                                   .remove = file_remove,
                                   .info = file_info,
                                   .each = file_each,
                                   .use_psk = file_use_psk,
                                   .use_blob = file_use_blob,
                                   .derive_usage = file_derive_usage,
                                   .wrap = file_wrap,
                                   .unwrap = file_unwrap,
                                   .close = file_close};

static gh_err file_new(const char *path, const gh_random *random, se_file **out, gh_diag *diag)
{
  gh_se_disk disk;
  GH_TRY(gh_se_disk_at(path, &disk, diag));
  se_file *f = gh_calloc(1, sizeof(*f));
  f->base.ops = &file_ops;
  f->disk = disk;
  f->random = *random;
  f->key = gh_se_pages_new(sizeof(*f->key));
  f->table = gh_se_table_empty();
  pthread_mutex_init(&f->writer, NULL);
  pthread_mutex_init(&f->view, NULL);
  *out = f;
  return GH_OK;
}

static gh_err create_content(se_file *f, gh_str passphrase, const gh_seal_cost *cost, gh_diag *diag)
{
  gh_err err = gh_seal_start(cost, passphrase, &f->random, &f->header, f->key);
  if (err != GH_OK) return gh_fail(diag, err, "secure environment: no key could be made from the passphrase");
  gh_buf octets = GH_BUF_INIT;
  err = seal(f, f->table, &f->header, &octets);
  if (err == GH_OK) err = gh_se_disk_create(&f->disk, gh_buf_str(&octets));
  gh_buf_free(&octets);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "secure environment: '%s' cannot be made", f->disk.name);
}

gh_err gh_se_file_create_with_cost(const char *path, gh_str passphrase, const gh_random *random,
                                   const gh_seal_cost *cost, gh_se **out, gh_diag *diag)
{
  se_file *f;
  GH_TRY(file_new(path, random, &f, diag));
  gh_err err = create_content(f, passphrase, cost, diag);
  if (err == GH_OK)
    *out = &f->base;
  else
    file_close(&f->base);
  return err;
}

gh_err gh_se_file_create(const char *path, gh_str passphrase, const gh_random *random, gh_se **out, gh_diag *diag)
{
  return gh_se_file_create_with_cost(path, passphrase, random, &gh_seal_default_cost, out, diag);
}

static gh_err open_sealed(se_file *f, gh_str passphrase, gh_str octets, gh_diag *diag)
{
  gh_se_table *table;
  gh_err err = gh_seal_header_read(octets, &f->header);
  if (err != GH_OK) return gh_fail(diag, err, "secure environment: '%s' is not a sealed file", f->disk.name);
  err = gh_seal_key_derive(&f->header, passphrase, f->key);
  if (err != GH_OK) return gh_fail(diag, err, "secure environment: the passphrase does not open '%s'", f->disk.name);
  err = unseal(&f->header, f->key, octets, &table);
  if (err != GH_OK) return gh_fail(diag, err, "secure environment: '%s' was changed or damaged", f->disk.name);
  view_set(f, table);
  return GH_OK;
}

gh_err gh_se_file_open(const char *path, gh_str passphrase, const gh_random *random, gh_se **out, gh_diag *diag)
{
  se_file *f;
  GH_TRY(file_new(path, random, &f, diag));
  gh_buf octets = GH_BUF_INIT;
  gh_err err = gh_se_disk_read(&f->disk, FILE_MAX_BYTES, &octets, diag);
  if (err == GH_OK) err = open_sealed(f, passphrase, gh_buf_str(&octets), diag);
  gh_buf_free(&octets);
  if (err == GH_OK)
    *out = &f->base;
  else
    file_close(&f->base);
  return err;
}
