%% @doc Keeps the rules for faults of the node, and has every port program follow them.
%%
%% The rules are in a table that the supervisor owns, so that they outlive this
%% process. A router reads it when it has started a program: {@link replay/1}. A rule is in
%% the table before it is reported to the programs that run, and a router has its name
%% before it reads the table, so that no program misses one.
%% @private
-module(gentcp_fault_server).
-behaviour(gen_server).

%% Starting.
-export([start_link/0, make_table/0, init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% For gentcp_fault.
-export([add/3, remove/1, held_by/1, list/0, clear/0, seed/0, seed/1, log/0, clear_log/0]).

%% For routers.
-export([replay/1]).

-define(TABLE, gentcp_fault_rules).

%% How long a port program may take to answer, in milliseconds.
-define(PATIENCE, 5000).

-record(rule, {
    id :: gentcp_fault:rule_id(),
    selector :: gentcp_fault:selector(),
    faults :: gentcp_fault:faults(),
    %% The faults without profiles.
    expanded :: [term()],
    %% Who is in gentcp_fault:with/3.
    holder :: pid() | none
}).

-define(ANY_RULE, erlang:make_tuple(record_info(size, rule), '_', [{1, rule}])).

-record(state, {
    next = 1 :: gentcp_fault:rule_id(),
    %% Of the holders of rules.
    monitors = #{} :: #{reference() => gentcp_fault:rule_id()}
}).

%%
%% Starting
%%

-spec start_link() -> {ok, pid()} | {error, term()} | ignore.
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Makes the table of the rules, for the process that is to own it.
-spec make_table() -> ok.
make_table() ->
    case ets:whereis(?TABLE) of
        undefined ->
            ?TABLE = ets:new(?TABLE, [named_table, public, ordered_set, {keypos, #rule.id}]),
            true = ets:insert(?TABLE, {value, seed, rand:uniform(1 bsl 64) - 1}),
            gentcp_kin:need(false);
        _OfAnUpgrade ->
            ok
    end.

-spec init([]) -> {ok, #state{}}.
init([]) ->
    %% Another one may have been here before.
    Rules = rules(),
    Monitors = maps:from_list([{erlang:monitor(process, Pid), Id}
                               || #rule{id = Id, holder = Pid} <- Rules, is_pid(Pid)]),
    {ok, #state{next = lists:max([0 | [Id || #rule{id = Id} <- Rules]]) + 1,
                monitors = Monitors}}.

%%
%% For gentcp_fault
%%

%% @doc Adds a rule, which goes when its holder exits.
-spec add(gentcp_fault:selector(), gentcp_fault:faults(), pid() | none) ->
          {ok, gentcp_fault:rule_id()} | {error, gentcp_fault:bad_fault() | atom()}.
add(Selector, Faults, Holder) ->
    case {gentcp_selector:check(Selector), gentcp_profile:expand(Faults)} of
        {ok, {ok, Expanded}} -> call({add, Selector, Faults, Expanded, Holder});
        {ok, {error, _} = Error} -> Error;
        {{error, _} = Error, _} -> Error
    end.

-spec remove(gentcp_fault:rule_id()) -> ok | {error, enoent}.
remove(Id) ->
    case call({remove, Id}) of
        {error, closed} -> {error, enoent};
        Result -> Result
    end.

-spec list() -> [gentcp_fault:rule()].
list() ->
    [{Id, Selector, Faults} || #rule{id = Id, selector = Selector, faults = Faults} <- rules()].

%% @doc The rules that go when a process exits.
-spec held_by(pid()) -> [gentcp_fault:rule_id()].
held_by(Pid) ->
    [Id || #rule{id = Id, holder = Holder} <- rules(), Holder =:= Pid].

-spec clear() -> ok.
clear() ->
    _ = call(clear),
    ok.

-spec seed() -> gentcp_fault:seed().
seed() ->
    ets:lookup_element(?TABLE, seed, 3).

-spec seed(gentcp_fault:seed()) -> ok | {error, atom()}.
seed(Seed) ->
    call({seed, Seed}).

-spec log() -> [gentcp_fault:log_entry()].
log() ->
    Entries = lists:flatmap(fun log/1, programs()),
    lists:sort(fun(#{time := A}, #{time := B}) -> A =< B end, Entries).

-spec clear_log() -> ok.
clear_log() ->
    _ = command_all({fault_log, clear}),
    ok.

%% Without the application there are no rules.
call(Request) ->
    try gen_server:call(?MODULE, Request, infinity)
    catch
        exit:_ -> {error, closed}
    end.

%% The table is there while the application runs.
rules() ->
    try ets:match_object(?TABLE, ?ANY_RULE)
    catch error:badarg -> []
    end.

%%
%% For routers
%%

%% @doc The commands that bring a new program of a port under the rules of the node.
-spec replay(port()) -> [gentcp_proto:command()].
replay(Port) ->
    [{fault_seed, seed()} | [rule_command(Rule, Port) || Rule <- rules()]].

rule_command(#rule{id = Id, selector = Selector, expanded = Faults}, Port) ->
    {fault_rule, Id, gentcp_selector:to_wire(Selector, Port), Faults}.

%%
%% The server
%%

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}}.
handle_call({add, Selector, Faults, Expanded, Holder}, _From, #state{next = Id} = State) ->
    Rule = #rule{id = Id, selector = Selector, faults = Faults, expanded = Expanded,
                 holder = Holder},
    case apply_rule(Rule) of
        ok -> {reply, {ok, Id}, hold(Rule, State#state{next = Id + 1})};
        {error, _} = Error -> {reply, Error, State#state{next = Id + 1}}
    end;
handle_call({remove, Id}, _From, State) ->
    {reply, take_away(Id), State};
handle_call(clear, _From, State) ->
    true = ets:match_delete(?TABLE, ?ANY_RULE),
    _ = command_all({fault_clear}),
    ok = gentcp_kin:need(false),
    {reply, ok, State};
handle_call({seed, Seed}, _From, State) ->
    true = ets:insert(?TABLE, {value, seed, Seed}),
    _ = command_all({fault_seed, Seed}),
    {reply, ok, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unknown, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info({'DOWN', Monitor, process, _Pid, _Reason}, #state{monitors = Monitors} = State) ->
    case maps:take(Monitor, Monitors) of
        {Id, Rest} ->
            _ = take_away(Id),
            {noreply, State#state{monitors = Rest}};
        error ->
            {noreply, State}
    end;
handle_info(_Unknown, State) ->
    {noreply, State}.

hold(#rule{holder = none}, State) ->
    State;
hold(#rule{id = Id, holder = Pid}, #state{monitors = Monitors} = State) ->
    %% Those who left in good order need not be watched any longer.
    {Gone, Kept} = lists:partition(fun({_, Of}) -> not ets:member(?TABLE, Of) end,
                                   maps:to_list(Monitors)),
    lists:foreach(fun({Monitor, _}) -> true = erlang:demonitor(Monitor, [flush]) end, Gone),
    State#state{monitors = maps:from_list([{erlang:monitor(process, Pid), Id} | Kept])}.

%% A rule is one for all programs or for none.
apply_rule(#rule{id = Id, selector = Selector} = Rule) ->
    true = ets:insert(?TABLE, Rule),
    case tell_all(Rule) of
        ok ->
            ok;
        {error, _} = Error ->
            true = ets:delete(?TABLE, Id),
            _ = command_all({fault_remove, Id}),
            _ = gentcp_selector:needs_kin(Selector) andalso review_kin(),
            Error
    end.

tell_all(#rule{selector = Selector} = Rule) ->
    gentcp_selector:needs_kin(Selector) andalso gentcp_kin:need(true),
    Programs = programs(),
    gentcp_selector:needs_kin(Selector) andalso ask_all(kin, Programs),
    Results = [command(Program, rule_command(Rule, Port)) || {_, Port} = Program <- Programs],
    %% What was lent before comes back, so that whoever asks from now on meets the rule.
    ask_all(recall, Programs),
    case [Error || {error, _} = Error <- Results, Error =/= {error, closed}] of
        [First | _] -> First;
        [] -> ok
    end.

ask_all(Question, Programs) ->
    lists:foreach(fun({Router, _Port}) -> gentcp_call:ask(Router, Question) end, Programs).

take_away(Id) ->
    case ets:take(?TABLE, Id) of
        [#rule{}] ->
            _ = command_all({fault_remove, Id}),
            review_kin(),
            ok;
        [] ->
            {error, enoent}
    end.

review_kin() ->
    gentcp_kin:need(lists:any(fun(#rule{selector = Selector}) ->
                                  gentcp_selector:needs_kin(Selector)
                              end, rules())).

%%
%% The log
%%

log({Router, _Port} = Program) ->
    case {command(Program, {fault_info}), command(Program, {fault_log})} of
        {{ok, Info}, {ok, Entries}} ->
            Shift = case lists:keyfind(now, 1, Info) of
                        {now, Now} -> erlang:monotonic_time(nanosecond) - Now;
                        false -> 0
                    end,
            Open = case gentcp_call:ask(Router, sockets) of
                       closed -> #{};
                       Sockets -> maps:from_list([{Id, S} || {_, _, {_, Id, _}} = S <- Sockets])
                   end,
            [log_entry(Entry, Program, Shift, Open) || Entry <- Entries];
        _ ->
            []
    end.

log_entry({Time, Id, Where, Fault, Rule}, {_Router, Port}, Shift, Open) ->
    #{time => Time + Shift, socket => maps:get(Id, Open, closed), id => {Port, Id},
      at => Where, fault => Fault,
      rule => case Rule of 0 -> option; _ -> Rule end}.

%%
%% Port programs
%%

%% Asking a router shows that it has replayed what was in the table.
programs() ->
    [{Router, Port} || Router <- gentcp_sup:routers(),
                       #{port := Port} <- [gentcp_call:ask(Router, info)]].

command_all(Command) ->
    [command(Program, Command) || Program <- programs()].

command({Router, Port}, Command) ->
    gentcp_call:call(Port, Router, Command, ?PATIENCE).
