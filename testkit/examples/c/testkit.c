/* The program reads orders from a pipe and ends when that is closed, also when this process dies. */
#define _POSIX_C_SOURCE 200809L
#include "testkit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_WORDS = 16 };

static int read_line(FILE *from, char *line, size_t size)
{
    if (!fgets(line, (int)size, from))
        return -1;
    line[strcspn(line, "\n")] = 0;
    return 0;
}

int testkit_start(testkit *kit, const char *const *words)
{
    const char *program = getenv("HOLDFAST_TESTKIT");
    char *arguments[MOST_WORDS] = {NULL};
    int in[2], out[2];
    if (!program)
        program = "holdfast-testkit";
    arguments[0] = (char *)program;
    for (int i = 0; words[i] && i < MOST_WORDS - 2; i++)
        arguments[i + 1] = (char *)words[i];
    if (pipe(in) || pipe(out))
        return -1;
    kit->pid = fork();
    if (kit->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        execvp(program, arguments);
        perror(program);
        _exit(127);
    }
    close(in[0]), close(out[1]);
    kit->orders = fdopen(in[1], "w");
    kit->replies = fdopen(out[0], "r");
    if (kit->pid > 0 && kit->orders && kit->replies && !read_line(kit->replies, kit->url, sizeof kit->url))
        return 0;
    testkit_stop(kit);
    return -1;
}

int testkit_order(testkit *kit, const char *order)
{
    char reply[1024] = "error: it has ended";
    fprintf(kit->orders, "%s\n", order);
    if (fflush(kit->orders) == 0 && !read_line(kit->replies, reply, sizeof reply) && strcmp(reply, "ok") == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", order, reply);
    return -1;
}

void testkit_stop(testkit *kit)
{
    if (kit->orders)
        fclose(kit->orders);
    if (kit->replies)
        fclose(kit->replies);
    if (kit->pid > 0)
        waitpid(kit->pid, NULL, 0);
    memset(kit, 0, sizeof *kit);
}
