%% @doc Faults on the sockets of gentcp: a slow, broken or hostile network as terms.
%%
%% A fault is set on one socket with the option `{gentcp_fault, Faults}' of `listen',
%% `connect' and `inet:setopts/2', on all sockets that a <em>rule</em> selects with
%% {@link add/2}, or for the length of a fun with {@link with/3}. It is read back with
%% `inet:getopts(S, [gentcp_fault])'. `doc/FAULTS.md' explains each of them.
%%
%% ```
%% gentcp_fault:with({peer, {port, 5432}}, {connect, {error, etimedout}}, fun() ->
%%     {error, unavailable} = shop:order(42)
%% end)
%% '''
%%
%% Rules are for all port programs of the node, and in force again in one that had to be
%% started anew. They apply to the sockets that exist and to those that come, from
%% the moment that `add/2' has returned, until they are removed. Sockets of the stock
%% driver are out of reach: see {@link gentcp:install/0}.
-module(gentcp_fault).

%% Rules.
-export([add/2, remove/1, list/0, clear/0, with/3]).

%% Chance, and what happened.
-export([seed/0, seed/1, log/0, log/1, clear_log/0]).

%% Profiles.
-export([profiles/0, profile/1]).

%% Exploration.
-export([explore/2, replay/2, replay/3]).

-export_type([faults/0, fault/0, stream_fault/0, call_fault/0, call/0, timed_fault/0,
              selector/0, address/0, rule_id/0, rule/0, bad_fault/0, log_entry/0, seed/0]).

-type faults() :: fault() | [fault()].

-type fault() :: stream_fault()
               | {in | out, faults()}
               | call_fault()
               | timed_fault()
               | {profile, atom()}
               | atom().
%% An atom is `blackhole', `record' or the name of a profile. Faults combine in the
%% order given.

-type stream_fault() :: {latency, Ms :: non_neg_integer()}
                      | {latency, Ms :: non_neg_integer(), JitterMs :: non_neg_integer()}
                      | {bandwidth, BytesPerSecond :: pos_integer()}
                      | {slice, N :: pos_integer()}
                      | {slice, Min :: pos_integer(), Max :: pos_integer()}
                      | {stall, Ms :: non_neg_integer(), EveryBytes :: pos_integer()}
                      | blackhole
                      | {corrupt, Probability :: number()}
                      | {cut, {bytes, non_neg_integer()} | {ms, non_neg_integer()},
                         fin | rst | silent}
                      | record.
%% On what comes in and on what goes out, each on its own; within `{in, _}' or
%% `{out, _}' on that alone.

-type call() :: listen | connect | accept | send | recv | close.

-type call_fault() :: {call(), {error, inet:posix()} | {delay, Ms :: non_neg_integer()} | never}.

-type timed_fault() :: {probability, number(), faults()}
                     | {nth, pos_integer(), faults()}
                     | {'after', {bytes | ms | calls, non_neg_integer()}, faults()}
                     | {for, Ms :: non_neg_integer(), faults()}
                     | {once, faults()}.

-type selector() :: all
                  | gentcp:socket()
                  | {socket | listener, gentcp:socket()}
                  | {owner | ancestor, pid()}
                  | {peer | local, address()}
                  | {direction, in | out}
                  | {family, inet | inet6 | local}
                  | {all_of | any_of | none_of, [selector()]}
                  | {nth, pos_integer(), selector()}.
%% `{listener, S}' is a listener and all that it accepts. `{ancestor, Pid}' is for the
%% sockets of a process and of its descendants, by `$ancestors', `$callers' and who
%% spawned whom. `{direction, in}' is what was accepted. `{nth, N, Selector}' is the
%% Nth socket, in the order of opening, that matched; those that were open when the rule
%% was added count first.

-type address() :: inet:ip_address()
                 | {inet:ip_address(), Bits :: 0..128}
                 | {port, inet:port_number()}
                 | {inet:ip_address() | {inet:ip_address(), Bits :: 0..128},
                    {port, inet:port_number()}}
                 | {local, iodata()}.
%% An address, or a network: `{{10,0,0,0}, 8}' is `10.0.0.0/8'.

-type rule_id() :: pos_integer().

-type rule() :: {rule_id(), selector(), faults()}.

-type bad_fault() :: {bad_fault, Which :: term(), Why :: atom() | tuple()}.
%% The part of a term that is wrong, and why. Nothing was applied.

-type log_entry() :: #{
    time := integer(),
    socket := gentcp:socket() | closed,
    id := {port(), pos_integer()},
    at := call() | {in | out, Offset :: non_neg_integer()}
        | {in | out, Offset :: non_neg_integer(), Size :: non_neg_integer()},
    fault := term(),
    rule := rule_id() | option
}.
%% One fault that was injected. `time' is in nanoseconds of `erlang:monotonic_time/1';
%% `at' is the call, or the octet of the stream; `rule' is `option' for what was set on
%% the socket itself. `id' names a socket also when it has been closed.

-type seed() :: 0..16#FFFFFFFFFFFFFFFF.

%%
%% Rules
%%

%% @doc Has the sockets that a selector matches meet faults. Starts the application if
%% need be.
-spec add(selector(), faults()) -> {ok, rule_id()} | {error, bad_fault() | atom()}.
add(Selector, Faults) ->
    add(Selector, Faults, none).

add(Selector, Faults, Holder) ->
    case gentcp_sup:router() of
        {ok, _Router} -> gentcp_fault_server:add(Selector, Faults, Holder);
        {error, _} = Error -> Error
    end.

%% @doc Takes a rule away. What was held back for it is passed on, in order.
-spec remove(rule_id()) -> ok | {error, enoent}.
remove(RuleId) ->
    gentcp_fault_server:remove(RuleId).

%% @doc The rules in force, oldest first, as they were given.
-spec list() -> [rule()].
list() ->
    gentcp_fault_server:list().

%% @doc Takes all rules away. The faults that sockets have by their own options stay.
-spec clear() -> ok.
clear() ->
    gentcp_fault_server:clear().

%% @doc Calls a fun with a rule in force, and returns what it returns. The rule goes
%% when the fun returns or raises, and when the calling process is killed in it.
%%
%% A term that is no fault raises `{bad_fault, Which, Why}'.
-spec with(selector(), faults(), fun(() -> Result)) -> Result.
with(Selector, Faults, Fun) when is_function(Fun, 0) ->
    case add(Selector, Faults, self()) of
        {ok, RuleId} ->
            try Fun()
            after remove(RuleId)
            end;
        {error, Reason} ->
            erlang:error(Reason, [Selector, Faults, Fun])
    end.

%%
%% Chance, and what happened
%%

%% @doc The seed that every random choice is derived from.
-spec seed() -> seed().
seed() ->
    {ok, _Router} = gentcp_sup:router(),
    gentcp_fault_server:seed().

%% @doc Sets the seed. The generators of all rules and sockets begin anew: the same seed on
%% the same traffic does the same.
-spec seed(seed()) -> ok | {error, atom()}.
seed(Seed) when is_integer(Seed), Seed >= 0, Seed =< 16#FFFFFFFFFFFFFFFF ->
    case gentcp_sup:router() of
        {ok, _Router} -> gentcp_fault_server:seed(Seed);
        {error, _} = Error -> Error
    end.

%% @doc What was injected, oldest first. Each port program keeps the last some thousands.
-spec log() -> [log_entry()].
log() ->
    gentcp_fault_server:log().

%% @doc The same for one socket, also when it has been closed.
-spec log(gentcp:socket()) -> [log_entry()].
log({'$inet', gentcp, {Port, Id, _Slot}}) ->
    [Entry || #{id := Of} = Entry <- log(), Of =:= {Port, Id}].

%% @doc Empties the log.
-spec clear_log() -> ok.
clear_log() ->
    gentcp_fault_server:clear_log().

%%
%% Profiles
%%

%% @doc The names of the profiles that there are.
-spec profiles() -> [atom()].
profiles() ->
    gentcp_profile:names().

%% @doc The faults of a profile.
-spec profile(atom()) -> {ok, faults()} | error.
profile(Name) ->
    gentcp_profile:find(Name).

%%
%% Exploration
%%

%% @doc Runs a fun again and again, each time with one fault at one of its calls, and
%% reports for which of them it fails.
%% @see gentcp_explore:run/2
-spec explore(fun(() -> term()), [gentcp_explore:option()]) ->
          {ok, gentcp_explore:report()}
        | {failed, gentcp_explore:plan(), gentcp_explore:report()}
        | {error, term()}.
explore(Fun, Options) ->
    gentcp_explore:run(Fun, Options).

%% @equiv replay(Fun, Plan, [])
-spec replay(fun(() -> term()), gentcp_explore:plan()) -> gentcp_explore:verdict().
replay(Fun, Plan) ->
    replay(Fun, Plan, []).

%% @doc Runs a fun once under a plan that {@link explore/2} has named, with its options.
-spec replay(fun(() -> term()), gentcp_explore:plan(), [gentcp_explore:option()]) ->
          gentcp_explore:verdict().
replay(Fun, Plan, Options) ->
    gentcp_explore:replay(Fun, Plan, Options).
