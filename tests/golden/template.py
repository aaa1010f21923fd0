#!/usr/bin/env python3
"""Expected renderings for tests/unit/test_template.c.

Needs jinja2 3.1.6 in a virtual environment:

    pip install jinja2==3.1.6
    python3 tests/golden/template.py >tests/golden/template.jsonl

The environment is set up as transformers sets it for chat templates.  Each
line is {"template", "context", "out"}, or "error": true where rendering must
fail (with "message" for raise_exception).
"""

import datetime
import json

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

assert jinja2.__version__ == "3.1.6", jinja2.__version__


class Generation(jinja2.ext.Extension):
    """{% generation %}, which leaves its body as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"],
                                       drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [],
                                      body).set_lineno(line)

    def _body(self, caller):
        return caller()


class Raised(Exception):
    pass


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None,
           sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                      separators=separators, sort_keys=sort_keys)


env = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True,
    extensions=[Generation, "jinja2.ext.loopcontrols"])
env.filters["tojson"] = tojson
env.globals["strftime_now"] = datetime.datetime(
    2024, 7, 6, 8, 5, 9).strftime
env.globals["raise_exception"] = raise_exception

# ---- a record that most cases see -----------------------------------------

RECORD = {
    "id": "r1",
    "question": "  Is there a fracture?  ",
    "answer": "no",
    "n": 7,
    "zero": 0,
    "neg": -7,
    "x": 2.5,
    "big": 12345678901234,
    "tiny": 0.00001234,
    "huge": 1e22,
    "yes": True,
    "no": False,
    "nothing": None,
    "empty": "",
    "words": "the quick brown fox",
    "unicode": "Größe µm – 37 °C, ЖАР, 肺",
    "quotes": "it's \"so\"",
    "lines": "a\nb\r\nc\n\nd",
    "list": [3, 1, 2],
    "names": ["Beta", "alpha", "Gamma", "alpha"],
    "nested": [[1, 2], [3, [4, 5]], []],
    "dict": {"b": 1, "a": {"c": [1, 2, {"d": None}]}, "items": 9},
    "people": [{"name": "Ann", "age": 40, "sex": "f"},
               {"name": "bob", "age": 25, "sex": "m"},
               {"name": "Cy", "age": 33}],
    "images": [{"path": "a.png", "slice": 37,
                "regions": [{"label": "lung", "box": [1, 2, 30.5, 40]},
                            {"label": "heart", "box": [5, 6, 7, 8]}]}],
    "choices": {"A": "normal", "B": "pneumonia"},
}

EXPRESSIONS = r"""
1
1.0
1.5e3
1e16
123456789012345.0
1e15
1e-4
0.00001
1e300
1.1 + 2.2
100000000000000000.0
0.1 + 0.2
-0.0
1_000_000
0x1F
0o17
0b101
'a' "b" 'c'
'a\tb\\n\'\x41\u00e9\U0001F600\101\q'
"\
x"
true
True
none
None
[]
[1, 'a', 2.0, none, true]
(1,)
(1, 2)
()
{}
{'a': 1, "b": [1], 3: none, (1, 2): 'x'}
1, 2
n + 1
n - 10
n * 2.5
n / 2
6 / 2
n // 2
neg // 2
-7 // 2
7 // -2
7.5 // 2
-7.5 // 2
n % 4
neg % 4
7 % -4
7.5 % 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
4 ** 0.5
- -3
+4
not true
not not 1
not n == 7
1 + 2 * 3 - 4 / 2
(1 + 2) * 3
1 ~ 2 ~ 'x' ~ none ~ 1.0 ~ [1]
'a' ~ 1 + 2
'a' + 'b'
[1] + [2]
(1,) + (2,)
'ab' * 3
3 * 'ab'
[1, 2] * 2
'ab' * 0
'ab' * -1
true + 1
'%s is %d' % ('n', n)
'%5.2f|%-6s|%06d|%+d|%x|%X|%o|%e|%g|%%|%c|%r' % (x, 'ab', 42, 5, 255, 255, 8, 12345.678, 0.0001, 'z', 'q')
'%(a)s %(b)03d' % {'a': 1, 'b': 2}
'%s' % 'one'
'%s' % [1, 2]
'%.3s|%*d' % ('abcdef', 5, 3)
'%d' % 3.99
'%s' % (1, 2)
'%d' % 'x'
'%s %s' % 'x'
1 == 1.0
1 == true
'1' == 1
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
1 != 2
1 < 2 < 3
1 < 2 > 3
3 >= 3
'a' < 'b'
'a' < 'B'
[1, 2] < [1, 3]
[1] < [1, 0]
1 < 'a'
none < 1
none == none
missing == none
missing == other_missing
1 in [1, 2]
4 not in [1, 2]
'a' in 'cat'
'' in 'cat'
'b' in dict
1 in 'cat'
1 in missing
1 in 5
1 and 2
0 and 2
0 or 'x'
'' or none
none or [] or 'last'
1 if n else 2
1 if zero else 2
1 if zero
'a' if n > 5 else 'b' if n > 3 else 'c'
missing
missing.x
missing['x']
missing()
missing + 1
missing ~ 'a'
missing | length
missing | upper
missing | int
missing | list
missing | join(',')
missing | first
missing | string
missing | tojson
missing | default('d')
missing.x is defined
nothing.x
nothing['x']
nothing.x.y
n.x
n[0]
dict.a.c[2].d
dict['a']['c'][0]
dict.zzz
dict['zzz'] | default('none')
dict['items']
dict.a['c'] | last
list[0]
list[-1]
list[5]
list[-4]
list.0
list[1:]
list[:2]
list[::-1]
list[::2]
list[-2:]
list[5:]
list[:-5]
list[10:0:-1]
list[none:2]
words[4:9]
words[::-1]
words[-3:]
words[0]
words[100]
unicode[0:5]
unicode[2]
unicode[-1]
unicode[::3]
unicode | length
(1, 2, 3)[1:]
list[::0]
list['a':]
dict[1:2]
words.split()
words.split(' ')
words.split(' ', 1)
words.split('quick')
words.split(none, 2)
'a,b,,c,'.split(',')
',a'.split(',')
''.split()
''.split(',')
'  a  b '.split()
' a  b  c '.split(none, 1)
'a,b,c'.rsplit(',', 1)
'a,b,c'.rsplit(',')
'a,b,c'.rsplit(',', 5)
'a--b--c'.rsplit('--', 1)
words.split('')
'a=b=c'.partition('=')
'a=b=c'.rpartition('=')
'abc'.partition('=')
'abc'.rpartition('=')
lines.splitlines()
lines.splitlines(true)
question.strip()
question.lstrip()
question.rstrip()
'xxhixx'.strip('x')
'\u00a0 hi\u2003'.strip()
'äöhiöä'.strip('äö')
'xyhiyx'.lstrip('xy')
'a.b'.rstrip('b')
words.upper()
words.title()
'hello wORLD-foo it\'s 3rd'.title()
'hello wORLD-foo it\'s 3rd' | title
words.capitalize()
'ÉCOLE ßtraße ЖАР'.lower()
'École straße жар'.upper()
'straße' | capitalize
'ßa' | capitalize
'Ab'.swapcase()
words.replace('quick', 'slow')
'aaa'.replace('a', 'b', 2)
'abc'.replace('', '-')
'abc'.replace('', '-', 2)
'é'.replace('', '-')
words.find('quick')
words.find('zzz')
unicode.find('ЖАР')
words.rfind('o')
words.find('o', 13)
words.find('o', 0, 5)
words.index('brown')
words.index('zzz')
'aXbXc'.count('X')
'aaa'.count('aa')
'abc'.count('')
words.startswith('the')
words.startswith(('a', 'th'))
words.endswith('fox')
words.endswith(['x'])
'abc'.removeprefix('ab')
'abc'.removesuffix('bc')
'abc'.removeprefix('x')
', '.join(['a', 'b'])
''.join([])
','.join([1])
'12'.isdigit()
'1a'.isdigit()
''.isdigit()
'ab'.isalpha()
'ab1'.isalnum()
' \t'.isspace()
'AB'.isupper()
'ab1'.islower()
'7'.zfill(3)
'-7'.zfill(4)
'ab'.center(7, '*')
'ab'.center(6)
'abc'.center(6)
'ab'.ljust(4) ~ '|'
'ab'.rjust(4, '.')
'{} {}'.format(1, 'b')
'{0}{1}{0}'.format('a', 'b')
'{a} {b[0]} {b[k]}'.format(a=1, b={'k': 2, 0: 3})
'{:.2f}|{:>6}|{:<6}|{:^6}|{:*^7}'.format(3.14159, 'ab', 'cd', 'ef', 'gh')
'{:05d}|{:+d}|{:,}|{:x}|{:#x}|{:b}|{:e}|{:%}|{:.1%}'.format(42, 5, 1234567, 255, 255, 5, 1234.5, 0.5, 0.123)
'{:,.2f}|{:10.3f}|{:<8d}|{:g}'.format(1234567.891, 3.14159, 42, 0.0001)
'{!r} {!s}'.format('a', 'b')
'{{}} {}'.format(1)
'{}'.format()
'{:d}'.format('x')
'{} {}'.format(1)
'{'.format(1)
'{:5}|{:5}|{:<5}|'.format('a', 1, 1)
'{:.3}'.format('abcdef')
'{}'.format([1, 'a'])
dict.get('b')
dict.get('zzz')
dict.get('zzz', 5)
dict.keys() | list
dict.values() | list | length
choices.items() | list
choices | items | list
choices | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort
{'b': 1, 'A': 2, 'c': 0} | dictsort(true)
{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value', reverse=true)
list.index(2)
list.index(9)
[1, 1, 2].count(1)
list.append(4)
dict.update({'z': 1})
dict.pop('b')
namespace(a=1).a
namespace(a=1).b
dict(a=1, b=2) | tojson
range(5) | list
range(2, 5) | list
range(10, 0, -3) | list
range(0) | list
range(5) | length
range(3)[1]
range(200000)
range(1, 5, 0)
raise_exception('no system role')
abs
n | abs
neg | abs
-2.5 | abs
'x' | abs
question | trim
'xxaxx' | trim('x')
n | trim
words | upper
n | upper
'ABC' | lower
words | capitalize
words | length
list | length
dict | length
n | length
none | length
list | count
list | join(', ')
list | join
names | join('|')
people | join(', ', attribute='name')
'abc' | join('-')
n | join
list | first
list | last
[] | first
[] | last
'abc' | first
'abc' | last
dict | first
list | sort
list | sort(reverse=true)
names | sort
names | sort(case_sensitive=true)
people | sort(attribute='age') | map(attribute='name') | list
people | sort(attribute='age', reverse=true) | map(attribute='name') | join(' ')
people | sort(attribute='sex,name')
[1, 'a'] | sort
names | unique | list
[1, 1.0, 2, '1'] | unique | list
list | reverse | list
'abc' | reverse
'äöü' | reverse
list | sum
people | sum(attribute='age')
people | sum(attribute='age', start=100)
[0.1, 0.2] | sum
['a'] | sum
list | min
list | max
names | min
people | max(attribute='age')
[] | max
list | list
'abc' | list
dict | list
n | list
list | batch(2) | list
list | batch(2, 'x') | list
range(7) | slice(3) | list
range(7) | slice(3, 'x') | list
words | replace('quick', 'slow')
'aaa' | replace('a', 'b', 1)
n | replace(7, 8)
list | map('string') | join
names | map('upper') | list
names | map('replace', 'a', 'o') | list
people | map(attribute='sex', default='?') | join
people | map(attribute='sex') | list | length
images | map(attribute='regions.0.label') | list
list | select('odd') | list
list | select('gt', 1) | list
list | reject('odd') | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
people | selectattr('sex') | map(attribute='name') | list
people | selectattr('sex', 'equalto', 'f') | map(attribute='name') | list
people | selectattr('age', '>', 30) | map(attribute='name') | list
people | rejectattr('sex', 'defined') | map(attribute='name') | list
people | rejectattr('sex', 'eq', 'm') | list | length
people | selectattr('age', 'in', [25, 33]) | map(attribute='name') | join(',')
people | groupby('age') | map('first') | list
'42' | int
'42.9' | int
' 42 ' | int
'x' | int
'x' | int(5)
'ff' | int(0, 16)
'0x1f' | int(0, 16)
'1_000' | int
2.9 | int
-2.9 | int
true | int
none | int
'1e3' | int
'3.25' | float
'x' | float
'x' | float(1.5)
7 | float
'1e5' | float
' 2 ' | float
'inf' | float
42 | string
2.50 | string
2.567 | round
2.567 | round(2)
2.5 | round
3.5 | round
0.125 | round(2)
1234.5 | round(-2)
42 | round
42 | round(2)
47 | round(-1)
2.1 | round(method='ceil')
2.9 | round(method='floor')
2.123 | round(2, 'ceil')
42 | round(0, 'floor')
'x' | round
2.5 | round(method='x')
words | truncate(9)
words | truncate(12, true)
words | truncate(12, false, '…')
words | truncate(18)
words | truncate(10, leeway=0)
words | wordcount
'a b-c_d é' | wordcount
lines | indent
lines | indent(2, true)
lines | indent(2, blank=true)
'a\nb' | indent('> ', true)
'a\n' | indent(2)
words | center(30)
'<a href="x">&\'</a>' | e
'<b>' | safe
'%s-%s' | format(1, 'a')
'%(a)s' | format(a=3)
empty | default('d')
empty | default('d', true)
missing | d
zero | default(5, boolean=true)
dict | tojson
dict | tojson(indent=2)
[] | tojson(indent=2)
{} | tojson(indent=2)
[[], {}] | tojson(indent=1)
unicode | tojson
unicode | tojson(ensure_ascii=true)
'\U0001F600' | tojson(true)
quotes | tojson
'a\nb\t\u0001\\/' | tojson
[1.0, 1e22, 0.1, none, true, -5] | tojson
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{'b': 1, 'a': 2} | tojson(separators=(',', ':'))
{1: 2, none: 3, true: 4} | tojson
(1, 2) | tojson
quotes
[quotes, 'a\nb', 'it\'s', '"', '\\', 'é', '\u200b', '\x07', '\U0001F600']
nested
dict
big
tiny
huge
x
yes
nothing
[huge, tiny, x, 1e16, 123456789.123456789]
n is defined
missing is defined
missing is undefined
missing is not defined
nothing is none
nothing is not none
n is none
n is number
x is float
n is integer
yes is integer
yes is boolean
yes is number
yes is true
no is false
n is true
words is string
n is string
dict is mapping
list is mapping
list is sequence
words is sequence
dict is sequence
missing is sequence
n is sequence
list is iterable
n is iterable
n is odd
n is even
neg is odd
n is divisibleby 7
n is divisibleby(2)
n is divisibleby 0
n is eq 7
n is equalto 8
n is ne 8
n is gt 5
n is lt 5
n is ge 7
n is le 6
n is in [7, 8]
n is not in [7, 8]
'ABC' is upper
'abc' is lower
'upper' is filter
'odd' is test
n is sameas 7
none is sameas none
range is callable
n is callable
n is defined and n > 5
missing is defined and missing > 5
n is string or n is number
n is odd is even
words | length > 5
not words is string
words is string and not missing
words | upper | lower | title
-1 | abs
(-1) | abs
2 * 3 | string
[1, 2] | join(',') ~ '!'
words.split()[0].upper()
words.split(' ') | map('first') | join
(words.split() | first)[1:]
images[0].regions[0].box | join(',')
images[0].slice % 32 < 16
(images[0].slice % 32) < 16
choices.A ~ '/' ~ choices['B']
people[0].name.upper()
people[0]['age'] + 1
people | length - 1
[a for a in list]
n |
1 +
'abc
{{ 1 }}
words.nomethod()
words | nofilter
n is notest
words.upper(1)
words.replace('a')
list | join(',', sep='x')
9223372036854775807 + 0
"a" + 1
1 + "a"
[] + ()
none + 1
1 / 0
1 // 0
1 % 0
1.0 / 0
'a' - 1
words[1.5]
{[]: 1}
{'a': 1}[[]]
list(1)
n()
x.y.z
''.missing_attr
''.missing_attr.z
'ab'['upper']()
n == 7 and list[0] == 3 or raise_exception('x')
{'a': 1}.a
{'a': {'b': 2}}['a'].b
(1 if yes else 2) + 1
[x for x in y]
"a" "b" ~ "c"
loop
self
none | selectattr('a') | list
zero | map('upper') | list
empty | select | list
no | rejectattr('a', 'equalto', 'b') | list
n | map('upper') | list
range(*[2, 5]) | list
range(2, *[9, 3]) | list
dict(**choices) | tojson
dict(z=1, **choices) | tojson
dict(*[[('a', 1)]], b=2) | tojson
dict(b=2, *[[('a', 1)]]) | tojson
'{} {x} {}'.format(*['a', 1], **{'x': 2})
namespace(**choices).B
words.split(*'q')
range(*[1], *[2])
range(*[1], 2)
dict(**choices, a=1)
dict(**choices, **choices)
dict(A=1, **choices)
dict(**n)
range(*n)
dict(**{1: 2})
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d')
strftime_now('%A, %B %-d, %Y at %I:%M:%S %p')
strftime_now('%a %j %U %w %y %H %e|%Z|%z|%f|%%|%')
strftime_now('%c|%x|%X|%D|%F|%T|%R|%r|%h|%n|%t|%G|%V|%u|%C|%g')
strftime_now('%-m/%_d/%010Y/%^a/%Q/%é')
strftime_now('é – ' ~ words)
strftime_now('')
strftime_now(format='%Y')
strftime_now(5)
strftime_now()
strftime_now is defined
"""

# Only for the error, or known to differ (see template.h): not in the file.
SKIP = {
    "range(200000)",  # checked in the unit test: error at once
    "abs",
    "{'a': 1}[[]]",
    "self",
    "[] | first",
    "n | trim",
    "people | sort(attribute='sex,name')",
}

TEMPLATES = [
    "",
    "plain text",
    "ends in a newline\n",
    "ends in two\n\n",
    "\r\nwindows\r\nlines\r\n",
    "a {{ n }} b {{- n -}} c",
    "a \n {{- n -}} \n b",
    "{# comment #}x{#- another -#} y",
    "  {# indented comment #}\nx",
    "x {# not alone #}\ny",
    "{% if yes %}\nyes\n{% endif %}\nend",
    "  {% if yes %}\n  yes\n  {% endif %}\nend",
    "  {%+ if yes %}\n  yes\n  {%+ endif +%}\nend",
    "a {% if yes %} b {% endif %} c",
    "a\n  {%- if yes -%}\n b \n{%- endif -%}\n c",
    "a{% if yes +%}\nb{% endif +%}\nc",
    "{{ n }}\n{{ n }}\n",
    "{{ n }}  \n  {% if yes %}x{% endif %}\n",
    "\t {% set a = 1 %} \n{{ a }}",
    "{% raw %}{{ not }} {% tags %}{# here #}{% endraw %}",
    "x\n  {% raw %}\n  a {{ b }}\n  {% endraw %}\ny",
    "a {%- raw -%} b {%- endraw -%} c",
    "{{ '}}' }} {{ \"%}\" }} {{ {'a': {'b': 1}}['a'] }}",
    "{{'a'}}{{\"b\"}}{{ 'c' 'd' }}",
    "{ { x } } {%raw%}{%endraw%} { {{ n }}}",
    "{{ n }}}} {{{'a': 1}}}",
    "{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}",
    "{% if zero %}a{% elif n == 7 %}b{% else %}c{% endif %}",
    "{% if zero %}a{% elif zero %}b{% else %}c{% endif %}",
    "{% if missing %}a{% endif %}b",
    "{% for x in list %}{{ x }},{% endfor %}",
    "{% for x in list -%}\n  {{ x }}\n{%- endfor %}",
    "{% for x in list %}{{ loop.index }}/{{ loop.length }} {{ loop.index0 }}"
    " {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }}"
    " {{ loop.last }} {{ loop.depth }} {{ loop.depth0 }};{% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};"
    "{% endfor %}",
    "{% for x in list %}{{ loop.previtem is defined }}"
    "{{ loop.nextitem is defined }};{% endfor %}",
    "{% for x in list %}{{ loop.cycle('odd', 'even') }} {% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in list if x > 1 %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in list if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in nothing %}{{ x }}{% endfor %}",
    "{% for x in n %}{{ x }}{% endfor %}",
    "{% for k in choices %}{{ k }}{% endfor %}",
    "{% for k, v in choices.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in choices | items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in choices | dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for (a, b), c in [[[1, 2], 3]] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "{% for a, b in [[1]] %}{{ a }}{% endfor %}",
    "{% for c in 'héy' %}[{{ c }}]{% endfor %}",
    "{% for i in range(3) %}{% for j in range(i) %}{{ i }}{{ j }} "
    "{{ loop.index }};{% endfor %}{{ loop.index }}|{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}"
    "{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}"
    "{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "{% for i in list if i > 9 %}{{ i }}{% else %}none{% endfor %}",
    "{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]"
    "{% else %}{{ x }}@{{ loop.depth }} {% endif %}{% endfor %}",
    "{% break %}",
    "{% for x in list %}{{ x }}",
    "{% if yes %}",
    "{% endif %}",
    "{% else %}",
    "{% unknown %}",
    "{% for in list %}{% endfor %}",
    "{% for x list %}{% endfor %}",
    "{{ n ",
    "{% if n",
    "{# never closed",
    "{% raw %} never closed",
    "{{ (1, 2 }}",
    "{{ n ] }}",
    "{{ }}",
    "{{ n; }}",
    "{{ n ! }}",
    "{{ 1 2 }}",
    "{% set a = 1 %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set (a, b) = [1, 2] %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a | upper | replace('X', 'z') %}x{{ n }}y{% endset %}[{{ a }}]",
    "{% set a = 1 %}{% for x in list %}{% set a = a + x %}{{ a }} "
    "{% endfor %}{{ a }}",
    "{% for x in list %}{% set b = x %}{% endfor %}{{ b is defined }}",
    "{% if yes %}{% set c = 5 %}{% endif %}{{ c }}",
    "{% set ns = namespace(total=0) %}{% for x in list %}"
    "{% set ns.total = ns.total + x %}{% endfor %}{{ ns.total }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}"
    "{{ ns.c is defined }}",
    "{% set ns = namespace() %}{% set ns.x = 'v' %}{{ ns.x }}{{ ns['x'] }}",
    "{% set dict.b = 5 %}{{ dict.b }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% set true = 1 %}",
    "{% macro f(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}"
    "{{ f(1) }} {{ f(1, 3) }} {{ f(1, c='z') }} {{ f(b=5, a=4) }} {{ f() }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(zz=2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}"
    "{{ f(1, 2, k=3) }}",
    "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(3) }}",
    "{% macro outer(x) %}<{{ caller() }}{{ x }}>{% endmacro %}"
    "{% call outer(1) %}body {{ n }}{% endcall %}",
    "{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }};"
    "{% endfor %}{% endmacro %}{% call(v, i) each(list) %}{{ i }}:{{ v }}"
    "{% endcall %}",
    "{% macro f() %}{{ later }}{% endmacro %}{% set later = 1 %}{{ f() }}",
    "{% macro f(d) %}{% if d > 0 %}{{ d }}{{ f(d - 1) }}{% endif %}"
    "{% endmacro %}{{ f(5) }}",
    "{% macro show(v, depth=0) %}{% if v is mapping %}{% for k, x in v|items %}"
    "{{ '  ' * depth }}{{ k }}:\n{{ show(x, depth + 1) }}{% endfor %}"
    "{% elif v is iterable and v is not string %}{% for x in v %}"
    "{{ show(x, depth + 1) }}{% endfor %}{% else %}{{ '  ' * depth }}{{ v }}\n"
    "{% endif %}{% endmacro %}{{ show(dict) }}",
    "{% set f = 1 %}{% macro g() %}{{ f }}{% endmacro %}"
    "{% for f in [2] %}{{ g() }}{% endfor %}",
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(1) | upper }}"
    "{{ f('a') ~ f('b') }}{{ f('abc') | length }}",
    "{% macro f() %} {% set x = 3 %} {{ x }} {% endmacro %}[{{ f() }}]"
    "{{ x }}",
    "{% filter upper %}a{{ words }}b{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}banana{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% with a = n %}{% set b = a %}{{ b }}{% endwith %}{{ b is defined }}",
    "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}",
    "a{% generation %}b{{ n }}{% endgeneration %}c",
    "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q is defined }}",
    "{{ raise_exception('Only ' ~ n ~ ' allowed') }}",
    "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}"
    "no clock{% endif %}",
    "{{ strftime_now('%Y') }}",
    "{% include 'x' %}",
    "{{ words|upper|lower }}{{ words | upper|length }}",
    "{{ [1, 2,\n 3]\n | join(\n',') }}",
    "{%- for m in people %}\n    {%- if loop.first %}\n        {{- 'first ' }}"
    "\n    {%- endif %}\n    {{- m.name }}\n{%- endfor %}\n",
    "{% for x in list %}\n{{ x }}\n{% endfor %}",
    "<ul>\n{% for x in list %}\n  <li>{{ x }}</li>\n{% endfor %}\n</ul>\n",
    "{% for p in people %}{{ p.name }}{{ ', ' if not loop.last }}"
    "{% endfor %}",
    "{{ 'a' if missing is defined else 'b' }}",
    "{{ x|round(1) }} {{ x|int }} {{ '%.1f'|format(x) }}",
    "{%if yes%}tight{%endif%}",
    "{%- if yes -%}  tight  {%- endif -%}",
    "日本 {{ unicode }} {% if yes %}語{% endif %}",
    "{{ unicode.upper() }}|{{ unicode.lower() }}|{{ unicode | title }}",
    "{% set x = {'k': [1, {'z': 2}]} %}{{ x.k[1].z }}",
    "{{ (people | selectattr('name', 'equalto', 'bob') | first).age }}",
    "{{ people | selectattr('name', 'equalto', 'zzz') | first is defined }}",
    "{{ [1,2,3][loop_missing] }}",
    "{{ messages[0] }}",
]

# ---- shapes of published chat templates, written from the formats ----------

LLAMA3 = (
    "{% set loop_messages = messages %}"
    "{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")

LLAMA31 = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- The system turn, taken off the list. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today Date: " + date_string + "\n\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
        {%- if message['content'] is string %}
            {{- message['content'] | trim }}
        {%- else %}
            {%- for content in message['content'] %}
                {%- if content['type'] == 'image' %}
                    {{- '<|image|>' }}
                {%- elif content['type'] == 'text' %}
                    {{- content['text'] }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

CHATML = (
    "{% for message in messages %}{% if loop.first and "
    "messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}")

MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}\n"
    "    {%- set system_message = messages[0]['content'] %}\n"
    "    {%- set loop_messages = messages[1:] %}\n"
    "{%- else %}\n"
    "    {%- set loop_messages = messages %}\n"
    "{%- endif %}\n\n"
    "{{- bos_token }}\n"
    "{%- for message in loop_messages %}\n"
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
    "        {{- raise_exception('roles must alternate') }}\n"
    "    {%- endif %}\n"
    "    {%- if message['role'] == 'user' %}\n"
    "        {%- if loop.last and system_message is defined %}\n"
    "            {{- '[INST] ' + system_message + '\\n\\n' + "
    "message['content'] + '[/INST]' }}\n"
    "        {%- else %}\n"
    "            {{- '[INST] ' + message['content'] + '[/INST]' }}\n"
    "        {%- endif %}\n"
    "    {%- elif message['role'] == 'assistant' %}\n"
    "        {{- ' ' + message['content'] + eos_token}}\n"
    "    {%- else %}\n"
    "        {{- raise_exception('Only user and assistant roles are "
    "supported') }}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n")

VICUNA = (
    "{% if messages[0]['role'] == 'system' %}{% set system_message = "
    "messages[0]['content'] | trim + ' ' %}{% set messages = messages[1:] %}"
    "{% else %}{% set system_message = '' %}{% endif %}"
    "{{ bos_token + system_message }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' + "
    "message['content'] | trim + ' ' }}{% elif message['role'] == "
    "'assistant' %}{{ 'ASSISTANT: ' + message['content'] | trim + "
    "eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "{{ 'ASSISTANT:' }}{% endif %}")

GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + "
    "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{'<start_of_turn>model\n'}}{% endif %}")

PHI3 = (
    "{% for message in messages %}{% if message['role'] == 'system' and "
    "message['content'] %}{{'<|system|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + "
    "message['content'] + '<|end|>\n'}}{% elif message['role'] == "
    "'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}")

DEEPSEEK = (
    "{% if not add_generation_prompt is defined %}"
    "{% set add_generation_prompt = false %}{% endif %}"
    "{% set ns = namespace(is_first=false, is_tool=false, "
    "system_prompt='') %}"
    "{%- for message in messages %}{%- if message['role'] == 'system' %}"
    "{% set ns.system_prompt = message['content'] %}{%- endif %}"
    "{%- endfor %}{{bos_token}}{{ns.system_prompt}}"
    "{%- for message in messages %}{%- if message['role'] == 'user' %}"
    "{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}"
    "{%- endif %}{%- if message['role'] == 'assistant' and "
    "message['content'] is not none %}{% set content = message['content'] %}"
    "{% if '</think>' in content %}{% set content = "
    "content.split('</think>')[-1] %}{% endif %}"
    "{{'<|Assistant|>' + content + '<|end|>'}}{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|>'}}"
    "{% endif %}")

LLAVA = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': '}}{% endif %}"
    "{# all pictures first #}{% for content in message['content'] | "
    "selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{# then all text #}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', "
    "'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', "
    "'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "{{ 'ASSISTANT:' }}{% endif %}")

QWEN2VL = (
    "{% set image_count = namespace(value=0) %}"
    "{% for message in messages %}{% if loop.first and message['role'] != "
    "'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "<|im_end|>\n{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or "
    "'image_url' in content %}{% set image_count.value = "
    "image_count.value + 1 %}{% if add_vision_id %}Picture "
    "{{ image_count.value }}: {% endif %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")

PLAIN = [
    {"role": "system", "content": "  You are a radiologist. "},
    {"role": "user", "content": "Is it <|eot_id|> normal?\n"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nNo."},
    {"role": "user", "content": "Why – é?"},
]
NO_SYSTEM = PLAIN[1:]
TURNS = NO_SYSTEM[:2]
PARTS = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text",
                                                     "text": "What?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A lung."}]},
    {"role": "user", "content": [{"type": "text", "text": "Left or right?"},
                                 {"type": "image"}]},
]
TOOLS = [{"name": "f", "parameters": {"type": "object", "properties": {}}}]
CALLS = TURNS[:1] + [
    {"role": "assistant", "tool_calls": [
        {"function": {"name": "f", "arguments": {"x": [1, 2.5, "é"]}}}]},
    {"role": "tool", "content": {"result": 5}},
]


def chat(template, messages, **more):
    context = {"messages": messages, "bos_token": "<s>", "eos_token": "</s>"}
    context.update(more)
    return template, context


def cases():
    for line in EXPRESSIONS.strip("\n").replace('\\\nx"', "\0").split("\n"):
        line = line.replace("\0", '\\\nx"')
        if line not in SKIP:
            yield "{{ " + line + " }}", "record"
    for template in TEMPLATES:
        yield template, "record"
    for template in (LLAMA3, LLAMA31, CHATML, MISTRAL, VICUNA, GEMMA, PHI3,
                     DEEPSEEK):
        for messages in (PLAIN, NO_SYSTEM, TURNS):
            for prompt in (True, False):
                yield chat(template, messages, add_generation_prompt=prompt)
    yield chat(LLAMA31, CALLS, add_generation_prompt=True)
    yield chat(LLAMA31, PARTS, add_generation_prompt=True)
    yield chat(LLAMA31, TURNS, tools=TOOLS, date_string="1 Jan 2020")
    for template in (LLAVA, QWEN2VL):
        for prompt in (True, False):
            yield chat(template, PARTS, add_generation_prompt=prompt,
                       add_vision_id=prompt)


print(json.dumps({"record": RECORD}, ensure_ascii=False))
for source, context in cases():
    row = {"template": source}
    if context != "record":
        row["context"] = context
    try:
        row["out"] = env.from_string(source).render(
            RECORD if context == "record" else context)
    except Raised as e:
        row.update(error=True, message=str(e))
    except (jinja2.TemplateError, TypeError, ValueError, LookupError,
            ArithmeticError, RecursionError, SyntaxError):
        row["error"] = True
    # Python shows addresses for what has no text of its own
    if " at 0x" in row.get("out", ""):
        continue
    print(json.dumps(row, ensure_ascii=False))
