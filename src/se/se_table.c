/* Owns the snapshots of records in memory. Must never change a snapshot that somebody else can see. */
#include "se/se_table.h"

#include <stdlib.h>

#include "se/se_pages.h"

/* ---- records */

static gh_str place(char **at, gh_str text)
{
  if (text.len) memcpy(*at, text.ptr, text.len);
  gh_str copy = {*at, text.len};
  *at += text.len;
  return copy;
}

static gh_se_record *record_new(const gh_se_info *info, gh_str key)
{
  size_t bytes = sizeof(gh_se_record) + info->id.len + info->owner.len + info->peer.len + key.len;
  gh_se_record *r = gh_se_pages_new(bytes);
  char *at = (char *)(r + 1);
  atomic_init(&r->refs, 1);
  r->block_bytes = bytes;
  r->info = *info;
  r->info.id = place(&at, info->id);
  r->info.owner = place(&at, info->owner);
  r->info.peer = place(&at, info->peer);
  r->key = place(&at, key);
  return r;
}

static gh_se_record *record_ref(gh_se_record *r)
{
  atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
  return r;
}

static void record_unref(gh_se_record *r)
{
  if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) gh_se_pages_free(r, r->block_bytes);
}

/* ---- tables */

static gh_se_table *table_new(size_t capacity)
{
  gh_se_table *t = gh_malloc(sizeof(*t) + capacity * sizeof(gh_se_record *));
  atomic_init(&t->refs, 1);
  t->count = 0;
  return t;
}

gh_se_table *gh_se_table_empty(void)
{
  return table_new(0);
}

gh_se_table *gh_se_table_ref(gh_se_table *table)
{
  atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
  return table;
}

void gh_se_table_unref(gh_se_table *table)
{
  if (!table || atomic_fetch_sub_explicit(&table->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < table->count; i++) record_unref(table->records[i]);
  free(table);
}

static int order(const gh_se_record *r, gh_se_kind kind, gh_str id)
{
  if (r->info.kind != kind) return r->info.kind < kind ? -1 : 1;
  size_t shorter = r->info.id.len < id.len ? r->info.id.len : id.len;
  int diff = shorter ? memcmp(r->info.id.ptr, id.ptr, shorter) : 0;
  if (diff != 0) return diff;
  return r->info.id.len == id.len ? 0 : r->info.id.len < id.len ? -1 : 1;
}

/* Where the record is (true) or would be inserted (false). */
static bool locate(const gh_se_table *t, gh_se_kind kind, gh_str id, size_t *at)
{
  size_t low = 0, high = t->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int o = order(t->records[middle], kind, id);
    if (o == 0) {
      *at = middle;
      return true;
    }
    if (o < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *at = low;
  return false;
}

const gh_se_record *gh_se_table_find(const gh_se_table *table, gh_se_kind kind, gh_str id)
{
  size_t at;
  return locate(table, kind, id, &at) ? table->records[at] : NULL;
}

static void append_shared(gh_se_table *to, const gh_se_table *from, size_t begin, size_t end)
{
  for (size_t i = begin; i < end; i++) to->records[to->count++] = record_ref(from->records[i]);
}

gh_err gh_se_table_with(const gh_se_table *table, const gh_se_info *info, gh_str key, gh_se_table **out)
{
  size_t at;
  bool replaces = locate(table, info->kind, info->id, &at);
  GH_REQUIRE(replaces || table->count < GH_SE_MAX_RECORDS, GH_ELIMIT);
  gh_se_table *next = table_new(table->count + 1);
  append_shared(next, table, 0, at);
  next->records[next->count++] = record_new(info, key);
  append_shared(next, table, at + (replaces ? 1 : 0), table->count);
  *out = next;
  return GH_OK;
}

gh_err gh_se_table_without(const gh_se_table *table, gh_se_kind kind, gh_str id, gh_se_table **out)
{
  size_t at;
  GH_REQUIRE(locate(table, kind, id, &at), GH_ENOTFOUND);
  gh_se_table *next = table_new(table->count);
  append_shared(next, table, 0, at);
  append_shared(next, table, at + 1, table->count);
  *out = next;
  return GH_OK;
}

/* ---- octets: count, then for each record kind, suid, not_after, and four lengths with their octets; big endian */

enum { COUNT_BYTES = 4, FIXED_BYTES = 1 + 1 + 8 + 3 * 2 + 4 };

static size_t record_bytes(const gh_se_record *r)
{
  return FIXED_BYTES + r->info.id.len + r->info.owner.len + r->info.peer.len + r->key.len;
}

static void put_number(uint8_t **at, uint64_t value, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++) *(*at)++ = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void put_text(uint8_t **at, gh_str text, size_t length_bytes)
{
  put_number(at, text.len, length_bytes);
  if (text.len) memcpy(*at, text.ptr, text.len);
  *at += text.len;
}

gh_err gh_se_table_write(const gh_se_table *table, uint8_t **image, size_t *len)
{
  size_t bytes = COUNT_BYTES;
  for (size_t i = 0; i < table->count; i++) bytes += record_bytes(table->records[i]);
  GH_REQUIRE(bytes <= GH_SE_MAX_IMAGE_BYTES, GH_ELIMIT);
  uint8_t *start = gh_se_pages_new(bytes), *at = start;
  put_number(&at, table->count, COUNT_BYTES);
  for (size_t i = 0; i < table->count; i++) {
    const gh_se_record *r = table->records[i];
    put_number(&at, r->info.kind, 1);
    put_number(&at, (uint64_t)r->info.suid, 1);
    put_number(&at, (uint64_t)r->info.not_after_us, 8);
    put_text(&at, r->info.id, 2);
    put_text(&at, r->info.owner, 2);
    put_text(&at, r->info.peer, 2);
    put_text(&at, r->key, 4);
  }
  *image = start;
  *len = bytes;
  return GH_OK;
}

static bool take_number(gh_str *rest, size_t bytes, uint64_t *value)
{
  if (rest->len < bytes) return false;
  *value = 0;
  for (size_t i = 0; i < bytes; i++) *value = *value << 8 | (uint8_t)rest->ptr[i];
  *rest = gh_str_sub(*rest, bytes, rest->len);
  return true;
}

static bool take_text(gh_str *rest, size_t length_bytes, size_t max, gh_str *text)
{
  uint64_t len;
  if (!take_number(rest, length_bytes, &len) || len > max || len > rest->len) return false;
  *text = gh_str_sub(*rest, 0, (size_t)len);
  *rest = gh_str_sub(*rest, (size_t)len, rest->len);
  return true;
}

static bool take_record(gh_str *rest, gh_se_info *info, gh_str *key)
{
  uint64_t kind, suid, not_after;
  if (!take_number(rest, 1, &kind) || !take_number(rest, 1, &suid) || !take_number(rest, 8, &not_after)) return false;
  if (kind < GH_SE_KPM || kind > GH_SE_WRAPPING || suid > 99 || not_after > INT64_MAX) return false;
  info->kind = (gh_se_kind)kind;
  info->suid = (int)suid;
  info->not_after_us = (int64_t)not_after;
  return take_text(rest, 2, GH_SE_TEXT_MAX_BYTES, &info->id) && info->id.len > 0 &&
         take_text(rest, 2, GH_SE_TEXT_MAX_BYTES, &info->owner) &&
         take_text(rest, 2, GH_SE_TEXT_MAX_BYTES, &info->peer) && take_text(rest, 4, GH_SE_BLOB_MAX_BYTES, key) &&
         key->len >= (info->kind == GH_SE_PRIVATE_KEY ? 1 : GH_SE_KEY_MIN_BYTES);
}

static bool read_records(gh_str *rest, uint64_t count, gh_se_table *t)
{
  for (uint64_t i = 0; i < count; i++) {
    gh_se_info info;
    gh_str key;
    if (!take_record(rest, &info, &key)) return false;
    if (t->count > 0 && order(t->records[t->count - 1], info.kind, info.id) >= 0) return false;
    t->records[t->count++] = record_new(&info, key);
  }
  return rest->len == 0;
}

gh_err gh_se_table_read(gh_str image, gh_se_table **out)
{
  uint64_t count;
  gh_str rest = image;
  GH_REQUIRE(take_number(&rest, COUNT_BYTES, &count) && count <= GH_SE_MAX_RECORDS, GH_ESYNTAX);
  gh_se_table *t = table_new((size_t)count);
  if (!read_records(&rest, count, t)) {
    gh_se_table_unref(t);
    return GH_ESYNTAX;
  }
  *out = t;
  return GH_OK;
}
