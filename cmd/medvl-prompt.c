/*
 * medvl-prompt - render templates over records into chat messages.
 *
 * See man/medvl-prompt.1.  All the work is in lib/stage/prompt.c.
 */
#include "cmd/cli.h"
#include "lib/stage/prompt.h"

static struct medvl_prompt_options opt;
static struct cli_list questions, answers, set;

static const struct cli_option OPTIONS[] = {
    CLI_LIST('e', "question", &questions, "TEMPLATE",
             "what the user asks; may be repeated for more turns"),
    CLI_PATH('t', "template", &opt.file, "FILE",
             "a file with the one question's template"),
    CLI_LIST('a', "answer", &answers, "TEMPLATE",
             "what the assistant answers, in the order of the questions; "
             "left out where it renders to nothing"),
    CLI_TEXT(0, "system", &opt.system, "TEMPLATE",
             "begin with a system turn"),
    CLI_CHOICE(0, "each", &opt.each, "regions",
               "one record for each region of the images"),
    CLI_LIST(0, "set", &set, "FIELD=TEMPLATE",
             "set a text field too; may be repeated"),
    CLI_RARE_TEXT(0, "author", &opt.author, "NAME",
                  "who made the messages, for \"provenance\" [template]"),
    CLI_END,
};

int main(int argc, char **argv)
{
    struct cli cli = {
        .name = "medvl-prompt",
        .about = "Render templates over records into chat messages.",
        .options = OPTIONS,
        .has = CLI_HAS_RECORDS | CLI_HAS_PART | CLI_HAS_OUTPUT,
    };

    cli_parse(&cli, argc, argv);
    opt.questions = questions.items;
    opt.question_count = questions.count;
    opt.answers = answers.items;
    opt.answer_count = answers.count;
    opt.set = set.items;
    opt.set_count = set.count;
    opt.wants = &cli.wants;
    if (opt.file && questions.count)
        cli_misuse(&cli, "-t FILE is the one question: leave out -e");
    if (!opt.file && !questions.count && !set.count && !opt.each)
        cli_misuse(&cli, "a question is needed: -e TEMPLATE, or -t FILE");
    if (answers.count > (opt.file ? 1 : questions.count))
        cli_misuse(&cli, "more answers than questions");
    return cli_map(&cli, &medvl_prompt_map, &opt);
}
