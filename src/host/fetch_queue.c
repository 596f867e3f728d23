/* A ring of lines, one for each address that has a question in hand. */
#include "host/fetch_queue.h"

#include <stdlib.h>

#include "base/arena.h"

struct gh_fetch_line {
  gh_fetch_line *next, *prev;
  uint64_t address;
  gh_fetch_ticket *first, *last;
  uint32_t waiting, asked;
};

static gh_fetch_line *line_of(const gh_fetch_queue *q, uint64_t address)
{
  gh_fetch_line *line = q->turn;
  if (!line) return NULL;
  do {
    if (line->address == address) return line;
    line = line->next;
  } while (line != q->turn);
  return NULL;
}

/* Its turn comes after everybody's. */
static gh_fetch_line *add_line(gh_fetch_queue *q, uint64_t address)
{
  gh_fetch_line *line = gh_calloc(1, sizeof *line);
  line->address = address;
  line->next = q->turn ? q->turn : line;
  line->prev = q->turn ? q->turn->prev : line;
  line->next->prev = line;
  line->prev->next = line;
  if (!q->turn) q->turn = line;
  return line;
}

static void drop_if_empty(gh_fetch_queue *q, gh_fetch_line *line)
{
  if (line->waiting || line->asked) return;
  if (q->turn == line) q->turn = line->next == line ? NULL : line->next;
  line->prev->next = line->next;
  line->next->prev = line->prev;
  free(line);
}

static gh_fetch_line *longest_line(const gh_fetch_queue *q)
{
  gh_fetch_line *longest = q->turn;
  for (gh_fetch_line *line = q->turn->next; line != q->turn; line = line->next)
    if (line->waiting > longest->waiting) longest = line;
  return longest;
}

static void append(gh_fetch_queue *q, gh_fetch_line *line, gh_fetch_ticket *ticket)
{
  *ticket = (gh_fetch_ticket){.line = line, .waiting = true};
  if (line->last)
    line->last->next = ticket;
  else
    line->first = ticket;
  line->last = ticket;
  line->waiting++;
  q->waiting++;
}

static void take_out(gh_fetch_queue *q, gh_fetch_ticket *ticket)
{
  gh_fetch_line *line = ticket->line;
  gh_fetch_ticket *before = NULL;
  for (gh_fetch_ticket *at = line->first; at != ticket; at = at->next) before = at;
  if (before)
    before->next = ticket->next;
  else
    line->first = ticket->next;
  if (line->last == ticket) line->last = before;
  line->waiting--;
  q->waiting--;
  ticket->next = NULL;
  ticket->waiting = false;
}

bool gh_fetch_queue_enter(gh_fetch_queue *q, gh_fetch_ticket *ticket, uint64_t address, uint32_t most,
                          gh_fetch_ticket **pushed_out)
{
  gh_fetch_line *line = line_of(q, address);
  *pushed_out = NULL;
  if (line && line->waiting + line->asked >= most) return false;
  if (q->waiting >= GH_FETCH_WAITING_MAX) {
    gh_fetch_line *longest = longest_line(q);
    if (longest->waiting <= (line ? line->waiting : 0) + 1) return false;
    *pushed_out = longest->last;
    take_out(q, longest->last);
    (*pushed_out)->line = NULL; /* others of its line are left: it had more than one */
  }
  append(q, line ? line : add_line(q, address), ticket);
  return true;
}

void gh_fetch_queue_share(gh_fetch_queue *q, gh_fetch_ticket *ticket, uint64_t address)
{
  gh_fetch_line *from = ticket->line, *to = line_of(q, address);
  if (!ticket->waiting || from == to || (to && to->waiting >= from->waiting - 1)) return;
  if (!to && from->waiting == 1) return; /* it is the next of its address as it is */
  if (!to) to = add_line(q, address);
  take_out(q, ticket);
  append(q, to, ticket);
  drop_if_empty(q, from);
}

gh_fetch_ticket *gh_fetch_queue_next(gh_fetch_queue *q)
{
  if (!q->waiting || q->asked >= GH_FETCH_ASKED_MAX) return NULL;
  gh_fetch_line *line = q->turn;
  while (!line->first) line = line->next;
  gh_fetch_ticket *ticket = line->first;
  take_out(q, ticket);
  line->asked++;
  q->asked++;
  q->turn = line->next;
  return ticket;
}

void gh_fetch_queue_leave(gh_fetch_queue *q, gh_fetch_ticket *ticket)
{
  gh_fetch_line *line = ticket->line;
  if (!line) return;
  line->asked--;
  q->asked--;
  ticket->line = NULL;
  drop_if_empty(q, line);
}

gh_fetch_ticket *gh_fetch_queue_drain(gh_fetch_queue *q)
{
  while (q->turn && !q->turn->first) {
    gh_fetch_line *line = q->turn;
    line->asked = 0;
    drop_if_empty(q, line);
  }
  if (!q->turn) return NULL;
  gh_fetch_line *line = q->turn;
  gh_fetch_ticket *ticket = line->first;
  take_out(q, ticket);
  ticket->line = NULL;
  if (!line->first) line->asked = 0;
  drop_if_empty(q, line);
  return ticket;
}
