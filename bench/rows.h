/* The rows of contentInstances in SQLite, with the store's tables, as bench_sqlite and bench_create_null write them.
 */
#ifndef GH_BENCH_ROWS_H
#define GH_BENCH_ROWS_H

#include <sqlite3.h>

enum { ROWS_TEXT_MAX = 65536 };

typedef struct rows {
  sqlite3 *db;
  sqlite3_stmt *put, *update;
  char body[ROWS_TEXT_MAX], container[ROWS_TEXT_MAX];
  int body_len, container_len;
  long long seq;
} rows;

/* A new database at `path`; the files have the body of an instance and of its container. Ends the program when
 * something fails, as rows_commit does. */
void rows_open(rows *r, const char *path, const char *body, const char *container);
/* One group commit: `count` instances, and their container with its counters. */
void rows_commit(rows *r, int count);
void rows_close(rows *r);
/* A whole file of at most ROWS_TEXT_MAX octets. */
int rows_read_file(const char *path, char *out);

#endif
