#!/usr/bin/env python3
"""Chat templates beside transformers: the same bytes, or both refuse.

    pip install transformers==4.57.1 jinja2==3.1.6
    make && python3 tests/peers/chat.py [--rounds N] [--seed N] PLACE...

A PLACE is a template (*.jinja), a tokenizer_config.json or
chat_template.json, or a folder of such.  Templates are other people's text
under their own licences, so none is kept here: point this at those of the
models that you use.

Each template is rendered over conversations made to hurt: special tokens
spelled out, empty and missing content and roles, roles in the wrong order,
any Unicode, nested parts, pictures everywhere, tool calls, thinking, tools
and documents.  What is compared is the interpreter with the variables that
transformers gives (its clock stopped on the date that a chat here has).
Where a template raises an exception, the message must be the same.  Of a
folder with a tokenizer.json the text and the ids that a chat gives are
compared too, special tokens in content parsed as there.  One JSON line a
template; the exit status is 1 where one differs.
"""
import argparse
import ctypes
import datetime
import glob
import json
import os
import random
import sys

import transformers.utils.chat_template_utils as chat_utils
from transformers import PreTrainedTokenizerFast

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
BUILD = os.environ.get('BUILD', os.path.join(ROOT, 'build/release'))
DATE = '2024-07-26'  # as in lib/text/chat.h


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(DATE)


chat_utils.datetime = Stopped


class Span(ctypes.Structure):
    _fields_ = [('data', ctypes.c_char_p), ('size', ctypes.c_size_t)]


class Marked(ctypes.Structure):
    _fields_ = [('data', ctypes.POINTER(ctypes.c_char)),
                ('size', ctypes.c_size_t), ('capacity', ctypes.c_size_t),
                ('runs', ctypes.c_void_p), ('run_count', ctypes.c_size_t),
                ('run_capacity', ctypes.c_size_t)]


class Input(ctypes.Structure):
    _fields_ = [(name, Span) for name in
                ('messages', 'tools', 'documents', 'variables')]


class ChatTokens(ctypes.Structure):
    _fields_ = [('ids', ctypes.POINTER(ctypes.c_int32)),
                ('ends', ctypes.c_void_p), ('count', ctypes.c_size_t),
                ('capacity', ctypes.c_size_t),
                ('ends_capacity', ctypes.c_size_t),
                ('keep_ends', ctypes.c_bool),
                ('mask', ctypes.c_void_p), ('room', ctypes.c_size_t),
                ('images', ctypes.c_void_p),
                ('image_count', ctypes.c_size_t),
                ('image_capacity', ctypes.c_size_t)]


class Refused(Exception):
    pass


def span(text):
    data = text.encode() if isinstance(text, str) else text
    return Span(data, len(data))


class Template:
    lib = None

    def __init__(self, source):
        self.err = ctypes.create_string_buffer(2048)
        self.template = ctypes.c_void_p()
        self.run = ctypes.c_void_p()
        self.out = Marked()
        self.call('medvl_template_compile', ctypes.byref(self.template),
                  span(source))
        self.call('medvl_template_run_new', ctypes.byref(self.run), None)

    def call(self, name, *args):
        if getattr(self.lib, name)(*args, self.err) < 0:
            raise Refused(self.err.raw[4:].split(b'\0')[0].decode())

    def render(self, variables):
        lib = self.lib
        keep = []
        lib.medvl_template_begin(self.run)
        self.call('medvl_template_set_date', self.run, span(DATE))
        for name, value in variables.items():
            keep.append((name.encode(), json.dumps(value).encode()))
            self.call('medvl_template_set_json', self.run, keep[-1][0],
                      span(keep[-1][1]), ctypes.c_bool(True))
        lib.medvl_marked_clear(ctypes.byref(self.out))
        self.call('medvl_template_render', ctypes.byref(self.out),
                  self.template, self.run)
        return ctypes.string_at(self.out.data, self.out.size) \
            if self.out.size else b''


class Chat:
    """A model folder here and there."""

    def __init__(self, lib, folder):
        self.lib = lib
        self.err = ctypes.create_string_buffer(2048)
        self.theirs = PreTrainedTokenizerFast.from_pretrained(folder)
        tok, chat = ctypes.c_void_p(), ctypes.c_void_p()
        self.encoder, self.worker = ctypes.c_void_p(), ctypes.c_void_p()
        self.call('medvl_tokenizer_open', ctypes.byref(tok), folder.encode())
        self.call('medvl_encoder_new', ctypes.byref(self.encoder), tok)
        self.call('medvl_chat_open', ctypes.byref(chat), folder.encode(),
                  None, tok)
        self.call('medvl_chat_worker_new', ctypes.byref(self.worker), chat)
        self.text = Marked()
        self.tokens = ChatTokens()

    call = Template.call

    def ours(self, given):
        begin = given['add_generation_prompt']
        special = ('messages', 'tools', 'documents', 'add_generation_prompt')
        rest = {k: v for k, v in given.items() if k not in special}
        record = Input(*(span(json.dumps(x)) for x in (
            given['messages'], given['tools'], given['documents'], rest)))
        self.lib.medvl_marked_clear(ctypes.byref(self.text))
        self.call('medvl_chat_render', self.worker, ctypes.byref(self.text),
                  ctypes.byref(record), int(begin))
        text = ctypes.string_at(self.text.data, self.text.size)
        # 1: to answer, so that no turns are looked for; 2: parse
        self.call('medvl_chat_encode', self.worker, ctypes.byref(self.tokens),
                  self.encoder, ctypes.byref(record), 3)
        return text, self.tokens.ids[:self.tokens.count]

    def compare(self, given):
        given = dict(given)
        messages = given.pop('messages')
        last = messages[-1]['role'] if messages else ''
        if given['add_generation_prompt'] != (last != 'assistant'):
            given['add_generation_prompt'] = last != 'assistant'
        try:
            got, ids = self.ours(dict(given, messages=messages))
        except Refused as e:
            got, ids = str(e), None
        try:
            want = self.theirs.apply_chat_template(
                messages, tokenize=False, **given)
        except Exception as e:
            return None if ids is None else (str(e), got)
        if ids is None:
            return want, got
        if got.decode() != want:
            return want, got.decode()
        if last == 'assistant':  # ours was asked for the prompt alone
            return None
        want = self.theirs(want, add_special_tokens=False)['input_ids']
        return None if ids == want else (want, ids)


# ---- conversations ---------------------------------------------------------

WORDS = ['Is', 'there', 'a', 'pneumothorax?', '<|im_end|>', '<|eot_id|>',
         '</s>', '<s>', '[INST]', '[/INST]', '<image>', '<|image_pad|>',
         '<think>', '</think>', '<tool_call>', '{{ 7*7 }}', '{% raw %}',
         'Größe', '肺', '\U0001fa7b', '\u202e', '\ufeff', '\u00a0', '\n', '\n\n',
         '\t', '\r\n', '  ', "it's", '"so"', '\\n', '\u2028', '\x7f',
         'e\u0301', '\x1c', '\x85', '%s', '${x}', '</tool_response>',
         '<tool_response>', '<<SYS>>', '37.2', 'ﬁ', 'ǅ', 'ß', 'İ']
NAMES = ['find_study', 'get_weather', 'ipython', 'a b', '']


def text(r):
    kind = r.random()
    if kind < 0.08:
        return ''
    if kind < 0.12:
        return r.choice([' ', '\n', '  \n ', '\u00a0'])
    if kind < 0.14:
        return 'x ' * r.randrange(3000)
    if kind < 0.24:
        return ('<think>' + ' '.join(r.choices(WORDS, k=3)) + '</think>' +
                ' '.join(r.choices(WORDS, k=3)))
    return r.choice(['', ' ']).join(r.choices(WORDS, k=r.randrange(1, 9)))


def value(r, depth=0):
    kind = r.randrange(9 if depth < 3 else 6)
    if kind < 6:
        return [text(r), r.randrange(-9, 10 ** 12), r.random() * 10 ** 3,
                True, None, 1e22][kind]
    if kind == 6:
        return [value(r, depth + 1) for _ in range(r.randrange(3))]
    return {r.choice(WORDS): value(r, depth + 1)
            for _ in range(r.randrange(4))}


def parts(r):
    out = []
    for _ in range(r.randrange(5)):
        kind = r.random()
        if kind < 0.5:
            out.append({'type': 'text', 'text': text(r)})
        elif kind < 0.85:
            out.append({'type': 'image'})
        elif kind < 0.9:
            out.append({'type': 'image', 'image': 'a.png', 'index': 0})
        elif kind < 0.93:
            out.append({'type': 'image_url', 'image_url': {'url': 'x'}})
        elif kind < 0.96:
            out.append({'type': 'text'})
        else:
            out.append(r.choice([{'text': text(r)}, {}, {'type': None},
                                 {'type': 'text', 'text': None}]))
    return out


def content(r, form):
    kind = r.random()
    if kind < 0.03:
        return r.choice([None, 5, 1.5, True, {'a': 1}, [], [[]], [text(r)]])
    if form == 'parts' or (form == 'both' and kind < 0.5):
        return parts(r)
    return text(r)


def call_of(r, i):
    function = {'name': r.choice(NAMES),
                'arguments': r.choice([{'a': value(r)}, {}, '{"a": 1}',
                                       {'path': text(r), 'n': 3}])}
    kind = r.random()
    if kind < 0.2:
        return function
    out = {'type': 'function', 'function': function}
    if kind < 0.8:
        out['id'] = r.choice(['call00%03d' % i, 'abcdefghi', 'x', 7])
    return out


def message(r, form, role, i):
    out = {'role': role}
    if r.random() < 0.97:
        out['content'] = content(r, form)
    if role == 'assistant' and r.random() < 0.25:
        out['tool_calls'] = [call_of(r, i + k)
                             for k in range(r.choice([1, 1, 1, 2, 0]))]
        if r.random() < 0.5:
            out.pop('content', None)
    if role == 'assistant' and r.random() < 0.15:
        out['reasoning_content'] = text(r)
    if role in ('tool', 'ipython'):
        out['tool_call_id'] = r.choice(['call00%03d' % (i - 1), 'abcdefghi'])
        out['name'] = r.choice(NAMES)
        if r.random() < 0.2:
            out['content'] = r.choice([value(r), {'content': text(r)}])
    if r.random() < 0.02:
        out.pop('role')
    return out


def conversation(r, form):
    roles = []
    kind = r.random()
    if r.random() < 0.5:
        roles.append('system')
    if kind < 0.75:
        for _ in range(r.randrange(1, 4)):
            roles += ['user', 'assistant']
            if r.random() < 0.15:
                roles += ['tool', 'assistant']
        if r.random() < 0.6:
            roles.pop()
    elif kind < 0.95:
        roles += r.choices(['user', 'assistant', 'system', 'tool', 'ipython'],
                           k=r.randrange(6))
    else:
        roles += r.choices(['USER', '', '<|im_end|>', 'user\n', 'ü'], k=2)
    return [message(r, form, role, i) for i, role in enumerate(roles)]


def tools(r):
    def one():
        function = {'name': r.choice(NAMES), 'description': text(r),
                    'parameters': {'type': 'object', 'properties': {
                        'path': {'type': 'string', 'description': text(r)},
                        'n': {'type': ['integer', 'null'],
                              'enum': [1, 2.5, None]}},
                        'required': ['path']}}
        if r.random() < 0.2:
            function['return'] = {'type': 'string', 'description': 'x'}
        return {'type': 'function', 'function': function} \
            if r.random() < 0.9 else function
    kind = r.random()
    if kind < 0.6:
        return None
    return [one() for _ in range(r.choice([0, 1, 1, 2]))]


def plain(r):
    """What a record may hold, in strings."""
    given = variables(r)
    roles = ['system'] * (r.random() < 0.5)
    roles += ['user', 'assistant'] * r.randrange(1, 4)
    if r.random() < 0.6:
        roles.pop()
    given['messages'] = [{'role': x, 'content': text(r)} for x in roles]
    given.pop('bos_token', None)
    given.pop('eos_token')
    return given


def variables(r):
    form = r.choice(['strings', 'strings', 'parts', 'both'])
    out = {'messages': conversation(r, form), 'tools': tools(r),
           'documents': None, 'add_generation_prompt': r.random() < 0.5,
           'bos_token': '<s>', 'eos_token': '</s>'}
    if r.random() < 0.1:
        out['documents'] = [{'title': text(r), 'text': text(r)}]
    for name, choices in (
            ('enable_thinking', [True, False]),
            ('add_vision_id', [True]), ('date_string', ['1 Jan 2025']),
            ('tools_in_user_message', [False]),
            ('custom_tools', [[{'name': 'x'}]]),
            ('builtin_tools', [['brave_search', 'code_interpreter']])):
        if r.random() < 0.15:
            out[name] = r.choice(choices)
    if r.random() < 0.1:
        del out['bos_token']
    return out


# ---- comparing -------------------------------------------------------------

def reference(source, given):
    given = dict(given)
    messages = given.pop('messages')
    rendered, _ = chat_utils.render_jinja_template(
        [messages], tools=given.pop('tools'),
        documents=given.pop('documents'), chat_template=source,
        add_generation_prompt=given.pop('add_generation_prompt'), **given)
    return rendered[0].encode('utf-8', 'surrogatepass')


def compare(source, given, template):
    """None, or what each said."""
    failed = None
    try:
        want = reference(source, given)
    except Exception as e:
        want, failed = None, e
    try:
        got = template.render(given)
    except Refused as e:
        if failed is None:
            return want, 'refused: ' + str(e)
        raised = type(failed).__name__ == 'TemplateError'
        if raised and str(failed)[:400] not in str(e):
            return 'raised: ' + str(failed), 'refused: ' + str(e)
        return None
    if failed is not None:
        return '%s: %s' % (type(failed).__name__, failed), got
    return None if got == want else (want, got)


def sources(places):
    for place in places:
        files = [place]
        if os.path.isdir(place):
            files = sorted(glob.glob(place + '/*.jinja') +
                           glob.glob(place + '/*.json'))
        for path in files:
            with open(path, encoding='utf-8', newline='') as f:
                source = f.read()
            if not path.endswith('.json'):
                yield path, source
                continue
            source = json.loads(source).get('chat_template')
            for one in source if isinstance(source, list) else \
                    [{'name': '', 'template': source}]:
                if one['template']:
                    yield path + one['name'], one['template']


def compare_folder(folder, args):
    chat = Chat(Template.lib, folder)
    counts = {'folder': os.path.basename(folder.rstrip('/')), 'same': 0,
              'differ': 0}
    r = random.Random(args.seed)
    for _ in range(args.rounds):
        given = plain(r)
        differ = chat.compare(given)
        counts['differ' if differ else 'same'] += 1
        if differ and counts['differ'] <= args.show:
            print(json.dumps(given, ensure_ascii=False))
            print('  transformers:', differ[0])
            print('  medvl:       ', differ[1])
    print(json.dumps(counts), flush=True)
    return counts['differ'] > 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=300)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--show', type=int, default=1)
    p.add_argument('places', nargs='+')
    args = p.parse_args()
    Template.lib = ctypes.CDLL(os.path.join(BUILD, 'lib/libmedvl.so'))
    bad = False
    for path, source in sources(args.places):
        name = os.path.basename(path)
        counts = {'template': name, 'same': 0, 'differ': 0}
        try:
            template = Template(source)
        except Refused as e:
            print(json.dumps({'template': name, 'error': str(e)}))
            bad = True
            continue
        r = random.Random(args.seed)
        for _ in range(args.rounds):
            given = variables(r)
            differ = compare(source, given, template)
            if differ:
                counts['differ'] += 1
                if counts['differ'] <= args.show:
                    print(json.dumps(given, ensure_ascii=False))
                    print('  transformers:', differ[0])
                    print('  medvl:       ', differ[1])
            else:
                counts['same'] += 1
        bad |= counts['differ'] > 0
        print(json.dumps(counts), flush=True)
    for folder in args.places:
        if os.path.exists(os.path.join(folder, 'tokenizer.json')):
            bad |= compare_folder(folder, args)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
