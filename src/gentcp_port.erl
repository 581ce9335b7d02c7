%% @doc The router: owns a port program, and hands on what comes from it.
%%
%% Callers write their commands to the port themselves and wait for replies
%% under an alias of theirs, so the router is on the way in only. Three things go
%% through it on the way out too: the opening of sockets, because it watches
%% who opens them; the passing of a socket to another owner, because it must
%% not be overtaken by messages; and credit for what it has handed on.
%%
%% It is a plain process with a loop of its own, under `proc_lib' and `sys', since
%% all input of all sockets passes here. When the port program ends, however
%% that happens, the owners are told, the router exits, and the supervisor
%% starts another with a new port; the port is part of every socket term, so an old
%% socket never names a new connection.
%% @private
-module(gentcp_port).

%% Starting.
-export([start_link/1, init/2]).

%% For callers.
-export([lookup/1, open/3, ask/2]).

%% For sys.
-export([system_continue/3, system_terminate/4, system_code_change/4,
         system_get_state/1, system_replace_state/2]).

-export_type([socket/0, question/0]).

-include_lib("kernel/include/logger.hrl").

-type socket() :: {'$inet', gentcp, {port(), gentcp_proto:id(), gentcp_credit:slot()}}.

-type question() ::
        {owner | info, gentcp_proto:id()}
      | {transfer, gentcp_proto:id(), From :: pid(), To :: pid()}
      | {commit, gentcp_proto:id(), To :: pid()}
      | {abort, gentcp_proto:id()}
      | {monitor, gentcp_proto:id(), pid(), reference()}
      | {cancel_monitor, reference()}
      | sockets
      | info.

%% How many octets may be under way from the port program, and how many the
%% router hands on before it gives credit for them.
-define(WINDOW, 8 * 1024 * 1024).
-define(CREDIT_AT, (?WINDOW div 4)).

%% Between these two the VM has senders wait for the pipe. The default of 8 KB
%% would suspend them long before it is full.
-define(BUSY_LIMITS, {512 * 1024, 1024 * 1024}).

%% Slots for credit. A socket beyond that has each of its sends called.
-define(MAX_SLOTS, 65536).

%% A port program that has lived for so long, in milliseconds, is replaced at once
%% when it ends. One that ends before is when it is needed.
-define(PROBATION, 1000).

%% How long a port program may take to say hello.
-define(HELLO_TIMEOUT, 10000).

%% A binary that is a smaller part of its frame than one in this is copied, so
%% that it does not keep the frame in memory.
-define(SMALL_PART, 4).

%% A socket, from the reply that opened it until it is gone.
-record(socket, {
    term :: socket(),
    kind :: listener | connection,
    owner :: pid(),
    monitor :: reference(),
    slot :: gentcp_credit:slot(),
    %% Messages that wait, latest first, while the socket is passed on.
    held = none :: none | [term()],
    %% Why it ended in the meantime.
    gone = no :: no | {gone, term()},
    %% References of inet:monitor/1.
    watchers = [] :: [reference()]
}).

%% A listen, accept or connect on its way.
-record(opening, {
    caller :: pid(),
    alias :: reference(),
    monitor :: reference(),
    command :: gentcp_proto:command(),
    activity :: gentcp_credit:activity()
}).

-record(state, {
    parent :: pid(),
    name :: atom(),
    started = erlang:monotonic_time(millisecond) :: integer(),
    port :: port(),
    os_pid :: non_neg_integer(),
    credit :: gentcp_credit:array(),
    loans :: gentcp_ahead:loans(),
    %% Slots never used, and slots used before in the order of their release:
    %% a slot comes up again as late as can be.
    fresh :: {Next :: gentcp_credit:slot(), Last :: gentcp_credit:slot()},
    freed = queue:new() :: queue:queue(gentcp_credit:slot()),
    sockets = #{} :: #{gentcp_proto:id() => #socket{}},
    openings = #{} :: #{pos_integer() => #opening{}},
    next_tag = 1 :: pos_integer(),
    %% Windows that were told before the reply that opened the socket.
    early = #{} :: #{gentcp_proto:id() => non_neg_integer()},
    %% inet:monitor/1: reference => socket, watching process, monitor of that.
    watchers = #{} :: #{reference() => {gentcp_proto:id(), pid(), reference()}},
    %% Octets of frames handed on since the last credit.
    owed = 0 :: non_neg_integer()
}).

%%
%% Starting
%%

-spec start_link(atom()) -> {ok, pid()} | {error, term()}.
start_link(Name) ->
    proc_lib:start_link(?MODULE, init, [self(), Name], infinity,
                        [{message_queue_data, off_heap}]).

-spec init(pid(), atom()) -> no_return().
init(Parent, Name) ->
    process_flag(trap_exit, true),
    try start_program(Parent, Name) of
        State ->
            true = register(Name, self()),
            [cast(Command, State) || Command <- gentcp_fault_server:replay(State#state.port)],
            ok = forget_the_dead(),
            persistent_term:put({?MODULE, State#state.port},
                                {self(), State#state.credit, State#state.loans}),
            proc_lib:init_ack(Parent, {ok, self()}),
            _ = gentcp_heartbeat:start_link(State#state.port, State#state.os_pid,
                                            application:get_env(gentcp, heartbeat, infinity)),
            loop(State)
    catch
        throw:Reason ->
            proc_lib:init_ack(Parent, {error, {port_program, program(), Reason}}),
            exit(normal)
    end.

%% Routers that were killed could not take their terms away.
forget_the_dead() ->
    _ = [persistent_term:erase(Key)
         || {{?MODULE, Port} = Key, _} <- persistent_term:get(),
            erlang:port_info(Port, id) =:= undefined],
    ok.

start_program(Parent, Name) ->
    Port = open_program(),
    _ = erlang:monitor(port, Port),
    #{os_pid := OsPid} = Hello = hello(Port),
    true = port_command(Port, gentcp_proto:hello(?WINDOW)),
    Slots = min(maps:get(max_sockets, Hello, ?MAX_SLOTS), ?MAX_SLOTS),
    #state{
        parent = Parent,
        name = Name,
        port = Port,
        os_pid = OsPid,
        credit = gentcp_credit:new(Slots),
        loans = gentcp_ahead:new(Slots),
        fresh = {1, Slots}
    }.

open_program() ->
    Args = application:get_env(gentcp, port_args, []),
    try
        open_port({spawn_executable, program()},
                  [{packet, 4}, binary, use_stdio, {args, Args},
                   {busy_limits_port, ?BUSY_LIMITS}, {busy_limits_msgq, disabled}])
    catch
        error:Reason ->
            ?LOG_ERROR("gentcp: cannot start the port program ~ts: ~ts",
                       [program(), file:format_error(Reason)]),
            throw(Reason)
    end.

program() ->
    case application:get_env(gentcp, port_program, undefined) of
        undefined -> filename:join(priv_dir(), "gentcp_port");
        Path -> Path
    end.

%% Beside ebin, whatever the directory of the application is called.
priv_dir() ->
    case code:priv_dir(gentcp) of
        {error, bad_name} ->
            {file, File} = code:is_loaded(?MODULE),
            filename:join([filename:dirname(File), "..", "priv"]);
        Dir ->
            Dir
    end.

hello(Port) ->
    receive
        {Port, {data, Frame}} ->
            try gentcp_proto:decode(Frame) of
                [{hello, 1, Hello}] ->
                    Hello;
                Other ->
                    ?LOG_ERROR("gentcp: ~ts speaks another protocol: ~tp", [program(), Other]),
                    throw(eproto)
            catch
                error:_ ->
                    ?LOG_ERROR("gentcp: ~ts speaks no protocol: ~tP", [program(), Frame, 20]),
                    throw(eproto)
            end;
        {'EXIT', Port, Reason} ->
            ?LOG_ERROR("gentcp: ~ts ended at once: ~tp", [program(), Reason]),
            throw(eproto)
    after ?HELLO_TIMEOUT ->
        ?LOG_ERROR("gentcp: ~ts says nothing", [program()]),
        throw(etimedout)
    end.

%%
%% For callers
%%

%% @doc The router of a port program, and what it shares with callers. `closed' if it has
%% ended.
-spec lookup(port()) -> {pid(), gentcp_credit:array(), gentcp_ahead:loans()} | closed.
lookup(Port) ->
    persistent_term:get({?MODULE, Port}, closed).

%% @doc Opens a socket for the calling process. `Activity' is what the options
%% say of its active mode; an accepted socket takes that of its listener.
%% `{error, noproc}' says that the command was not sent.
-spec open(pid(), gentcp_credit:activity(), gentcp_proto:command()) ->
          {ok, socket()} | {error, term()}.
open(Router, Activity, Command) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    Router ! {open, self(), Ref, Activity, Command},
    receive
        {Ref, Result} -> Result;
        {'DOWN', Ref, process, _, noproc} -> {error, noproc};
        {'DOWN', Ref, process, _, _} -> {error, closed}
    end.

%% @doc Asks a router. `closed' if it has ended.
-spec ask(pid(), question()) -> term().
ask(Router, Question) ->
    Ref = erlang:monitor(process, Router, [{alias, reply_demonitor}]),
    Router ! {ask, Ref, Question},
    receive
        {Ref, Answer} -> Answer;
        {'DOWN', Ref, process, _, _} -> closed
    end.

%%
%% The loop
%%

loop(#state{port = Port} = State) ->
    receive
        {Port, {data, Frame}} ->
            loop(frame(Frame, State));
        {open, Caller, Alias, Activity, Command} ->
            loop(start_opening(Caller, Alias, Activity, Command, State));
        {ask, Alias, Question} ->
            {Answer, State1} = answer(Question, State),
            tell(Alias, Answer),
            loop(State1);
        {{owner, Id}, Monitor, process, _Pid, Reason} ->
            loop(owner_exit(Id, Monitor, Reason, State));
        {{caller, Tag}, _Monitor, process, _Pid, _Reason} ->
            %% The answer, if one is under way, finds the caller dead.
            cast({cancel, Tag}, State),
            loop(State);
        {{watcher, Ref}, _Monitor, process, _Pid, _Reason} ->
            {_, State1} = answer({cancel_monitor, Ref}, State),
            loop(State1);
        {'EXIT', Port, Reason} ->
            port_exit(Reason, State);
        {'DOWN', _Monitor, port, Port, Reason} ->
            port_exit(Reason, State);
        {'EXIT', Parent, Reason} when Parent =:= State#state.parent ->
            stop(Reason, State);
        {system, From, Request} ->
            sys:handle_system_msg(Request, From, State#state.parent, ?MODULE, [], State);
        _Unknown ->
            loop(State)
    end.

cast(Command, #state{port = Port}) ->
    command(Port, gentcp_proto:cast(Command)).

%% The end of the port comes as a message, so it is no error here.
command(Port, Frame) ->
    try port_command(Port, Frame) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%%
%% Input
%%

frame(Frame, State) ->
    Size = byte_size(Frame),
    State1 = messages(decode(Frame, State), Size, State),
    case State1#state.owed + Size + 4 of
        Owed when Owed >= ?CREDIT_AT ->
            cast({credit, Owed}, State1),
            State1#state{owed = 0};
        Owed ->
            State1#state{owed = Owed}
    end.

%% A program that writes what is no frame has lost its way. Its sockets end as
%% if it had ended.
decode(Frame, State) ->
    try gentcp_proto:decode(Frame)
    catch
        error:_ ->
            ?LOG_ERROR("gentcp: the port program says ~tP", [Frame, 20]),
            port_exit(eproto, State)
    end.

messages([{tcp, Id, _} = First | [{tcp, Id, _} | _] = Rest], Size,
         #state{sockets = Sockets, credit = Credit} = State) ->
    case Sockets of
        #{Id := #socket{term = S, owner = Owner, held = none, slot = Slot}} ->
            case gentcp_credit:activity(Credit, Slot, Id) of
                once -> messages(Rest, Size, message(First, Size, State));
                _ -> messages(run(Id, S, Owner, Size, [First | Rest]), Size, State)
            end;
        #{} ->
            messages(Rest, Size, message(First, Size, State))
    end;
messages([Message, {ahead, _, _, _} = Ahead], Size, State) ->
    %% The receiver of the first may ask for the next at once. So that it finds the loan, all
    %% but the opening is done before, and the opening right behind.
    ahead(Ahead, fun(State1) -> message(Message, Size, State1) end, State);
messages([Message | Rest], Size, State) ->
    messages(Rest, Size, message(Message, Size, State));
messages([], _Size, State) ->
    State.

ahead({ahead, Id, _, _} = Ahead, Before, #state{sockets = Sockets, loans = Loans} = State) ->
    case Sockets of
        #{Id := #socket{owner = Owner, held = none, slot = Slot}} ->
            case gentcp_ahead:offer(Loans, Slot, Id, Owner, Ahead) of
                new ->
                    State1 = Before(State),
                    gentcp_ahead:open(Loans, Slot, Ahead),
                    State1;
                _AddedOrRefused ->
                    Before(State)
            end;
        #{Id := #socket{held = Held}} when Held =/= none ->
            %% It is dropped while the socket is passed on, and so must be what follows of it.
            State1 = Before(State),
            ask(Id, none, State1),
            State1;
        #{} ->
            Before(State)
    end.

%% Under load most packets come in runs for one socket, of which nothing need be
%% looked up again.
run(Id, S, Owner, Size, [{tcp, Id, Data} | Rest]) ->
    Owner ! {tcp, S, part(Data, Size)},
    run(Id, S, Owner, Size, Rest);
run(_Id, _S, _Owner, _Size, Rest) ->
    Rest.

message({tcp, Id, Data}, Size, State) ->
    packet(Id, {tcp, Id, part(Data, Size)}, State);
message({reply, Tag, Result}, Size, State) when is_binary(Tag) ->
    reply(gentcp_proto:caller(Tag), Result, Size, State),
    State;
message({credit, Id, Octets, Window}, _Size, State) ->
    credit(Id, Octets, Window, State);
message({reply, Tag, Result}, _Size, State) when is_integer(Tag) ->
    end_opening(Tag, Result, State);
message({http, Id, {lines, _, _, _, _} = Lines}, _Size, State) ->
    http(Id, Lines, State);
message({http, Id, _Packet} = Message, _Size, State) ->
    packet(Id, Message, State);
message({ssl_tls, Id, _Type, _Version, _Data} = Message, _Size, State) ->
    packet(Id, Message, State);
message({data, Id, Data}, Size, State) ->
    packet(Id, {data, Id, part(Data, Size)}, State);
message({tcp_passive, Id} = Message, _Size, State) ->
    event(Id, Message, State);
message({tcp_error, Id, _Reason} = Message, _Size, State) ->
    event(Id, Message, State);
message({tcp_closed, Id} = Message, _Size, State) ->
    event(Id, Message, State);
message({ahead, _, _, _} = Ahead, _Size, State) ->
    ahead(Ahead, fun(State1) -> State1 end, State);
message({recall, Id, Loan}, _Size, #state{sockets = Sockets, loans = Loans} = State) ->
    case Sockets of
        #{Id := #socket{slot = Slot}} -> gentcp_ahead:revoke(Loans, Slot, Id, Loan);
        #{} -> ok
    end,
    State;
message({gone, Id, Reason}, _Size, State) ->
    gone(Id, Reason, State);
message({reply, ping, _Pong}, _Size, State) ->
    State;
message({error, Reason}, _Size, State) ->
    ?LOG_WARNING("gentcp: the port program refused a command: ~tp", [Reason]),
    State;
message(Unknown, _Size, State) ->
    ?LOG_WARNING("gentcp: the port program says ~tP", [Unknown, 20]),
    State.

%% A packet for the owner.
packet(Id, Message, #state{sockets = Sockets, credit = Credit} = State) ->
    case Sockets of
        #{Id := #socket{slot = Slot} = Socket} ->
            spent(Credit, Slot, Id),
            deliver(Id, Message, Socket, State);
        #{} ->
            State
    end.

%% Another message for the owner, who may act on it before the next one is
%% handled here: what it says must hold by then.
event(Id, Message, #state{sockets = Sockets, credit = Credit} = State) ->
    case Sockets of
        #{Id := #socket{slot = Slot} = Socket} ->
            case element(1, Message) of
                tcp_passive -> gentcp_credit:set_activity(Credit, Slot, Id, passive);
                %% The next send has something to tell.
                _ -> gentcp_credit:window(Credit, Slot, Id, 0)
            end,
            deliver(Id, Message, Socket, State);
        #{} ->
            State
    end.

%% Http packets for the owner, who is one and the same for all of them.
http(Id, {lines, Mode, Headers, Count, Octets}, #state{sockets = Sockets, credit = Credit} = State) ->
    case Sockets of
        #{Id := #socket{term = S, owner = Owner, held = none, slot = Slot}} ->
            spent(Credit, Slot, Id),
            lines(Count, Mode, Headers, Octets, S, Owner),
            State;
        #{Id := #socket{slot = Slot}} ->
            spent(Credit, Slot, Id),
            lists:foldl(fun(Item, Acc) ->
                deliver(Id, {http, Id, Item}, maps:get(Id, Acc#state.sockets), Acc)
            end, State, gentcp_proto:packets({lines, Mode, Headers, Count, Octets}));
        #{} ->
            State
    end.

lines(0, _Mode, _Headers, _Rest, _S, _Owner) ->
    ok;
lines(Count, Mode, Headers, Octets, S, Owner) ->
    {Item, Headers1, Rest} = gentcp_proto:line(Mode, Headers, Octets),
    Owner ! {http, S, Item},
    lines(Count - 1, Mode, Headers1, Rest, S, Owner).

%% `once' ends with the packet that comes now.
spent(Credit, Slot, Id) ->
    case gentcp_credit:activity(Credit, Slot, Id) of
        once -> gentcp_credit:set_activity(Credit, Slot, Id, passive);
        _ -> ok
    end.

deliver(_Id, Message, #socket{term = S, owner = Owner, held = none}, State) ->
    Owner ! from(S, Message),
    State;
deliver(Id, Message, #socket{term = S, held = Held} = Socket, State) ->
    put_socket(Id, Socket#socket{held = [from(S, Message) | Held]}, State).

%% A message of the wire as the owner gets it.
from(S, {data, _Id, Data}) -> {S, {data, Data}};
from(S, Message) -> setelement(2, Message, S).

%% Whether to keep the frame for the sake of this part of it.
part(Data, FrameSize) when is_binary(Data), byte_size(Data) * ?SMALL_PART < FrameSize ->
    binary:copy(Data);
part(Data, _FrameSize) ->
    Data.

reply({Alias, Receiver, Id}, {ok, Packet}, Size, State) ->
    case is_process_alive(Receiver) of
        true -> tell(Alias, {ok, part(Packet, Size)});
        %% Killed while it waited: the next receiver gets it. Parsed items
        %% cannot go back.
        false when is_binary(Packet); is_list(Packet) -> ask(Id, {unread, Id, Packet}, State);
        false -> ok
    end;
reply({Alias, _Receiver, _Id}, Result, _Size, _State) ->
    tell(Alias, Result);
reply(Alias, Result, _Size, _State) ->
    tell(Alias, Result).

%% Casts a command that asks for the input of a socket, or only the end of its loan.
ask(Id, Command, #state{sockets = Sockets, loans = Loans} = State) ->
    Question = case Sockets of
                   #{Id := #socket{slot = Slot}} -> gentcp_ahead:ask(Loans, Slot, Id);
                   #{} -> bare
               end,
    cast(gentcp_proto:settled(Question, Id, Command), State).

tell(Alias, Result) ->
    Alias ! {Alias, Result},
    ok.

credit(Id, Octets, Window, #state{sockets = Sockets, credit = Credit} = State) ->
    case Sockets of
        #{Id := #socket{slot = Slot}} ->
            gentcp_credit:returned(Credit, Slot, Octets),
            gentcp_credit:window(Credit, Slot, Id, Window),
            State;
        #{} ->
            State#state{early = maps:put(Id, Window, State#state.early)}
    end.

%%
%% Opening
%%

start_opening(Caller, Alias, Activity, Command, #state{port = Port, next_tag = Tag} = State) ->
    Monitor = erlang:monitor(process, Caller, [{tag, {caller, Tag}}]),
    Opening = #opening{caller = Caller, alias = Alias, monitor = Monitor,
                       command = Command, activity = Activity},
    State1 = State#state{openings = maps:put(Tag, Opening, State#state.openings),
                         next_tag = Tag + 1},
    Frame = gentcp_proto:router_call(Tag, gentcp_kin:with_kin(Command, Caller)),
    case gentcp_proto:fits(Frame) of
        true ->
            command(Port, Frame),
            State1;
        false ->
            end_opening(Tag, {error, einval}, State1)
    end.

end_opening(Tag, Result, #state{openings = Openings} = State) ->
    case maps:take(Tag, Openings) of
        {#opening{monitor = Monitor} = Opening, Rest} ->
            true = erlang:demonitor(Monitor, [flush]),
            opening_result(Result, Opening, State#state{openings = Rest});
        error ->
            ?LOG_WARNING("gentcp: the port program answers a second time: ~tp", [Result]),
            State
    end.

opening_result({ok, Id}, #opening{caller = Caller} = Opening, State) ->
    case is_process_alive(Caller) of
        true -> opened(Id, Opening, State);
        false -> not_wanted(Id, Opening, State)
    end;
opening_result(Error, #opening{alias = Alias}, State) ->
    tell(Alias, Error),
    State.

opened(Id, #opening{caller = Caller, alias = Alias} = Opening, State) ->
    #state{port = Port, credit = Credit, early = Early} = State,
    {Slot, State1} = take_slot(State),
    S = {'$inet', gentcp, {Port, Id, Slot}},
    gentcp_ahead:begin_socket(State#state.loans, Slot),
    gentcp_credit:open(Credit, Slot, Id, activity(Opening, State)),
    gentcp_credit:window(Credit, Slot, Id, maps:get(Id, Early, 0)),
    Monitor = erlang:monitor(process, Caller, [{tag, {owner, Id}}]),
    State2 = put_socket(Id, #socket{term = S, kind = kind(Opening), owner = Caller,
                                    monitor = Monitor, slot = Slot},
                        State1#state{early = maps:remove(Id, Early)}),
    %% From here on it belongs to the caller, who may die as any owner may.
    tell_kin(Id, Caller, State2),
    is_accept(Opening) andalso cast({adopt, Id}, State2),
    tell(Alias, {ok, S}),
    State2.

%% Rules may have asked for it since the command was sent.
tell_kin(Id, Owner, State) ->
    case gentcp_kin:is_needed() of
        true -> cast({kin, Id, gentcp_kin:of_process(Owner)}, State);
        false -> ok
    end.

%% Nobody is left to take it. A connection goes to the next acceptor.
not_wanted(Id, Opening, #state{early = Early} = State) ->
    case is_accept(Opening) of
        true -> cast({return, Id}, State);
        false -> cast({close, Id}, State)
    end,
    State#state{early = maps:remove(Id, Early)}.

is_accept(#opening{command = Command}) ->
    element(1, Command) =:= accept.

kind(#opening{command = Command}) ->
    case element(1, Command) of
        listen -> listener;
        _ -> connection
    end.

activity(#opening{command = {accept, Listener, _, _}} = Opening, State) ->
    case State#state.sockets of
        #{Listener := #socket{slot = Slot}} ->
            gentcp_credit:activity(State#state.credit, Slot, Listener);
        #{} ->
            Opening#opening.activity
    end;
activity(#opening{activity = Activity}, _State) ->
    Activity.

take_slot(#state{fresh = {Next, Last}} = State) when Next =< Last ->
    {Next, State#state{fresh = {Next + 1, Last}}};
take_slot(#state{freed = Freed} = State) ->
    case queue:out(Freed) of
        {{value, Slot}, Rest} -> {Slot, State#state{freed = Rest}};
        {empty, _} -> {0, State}
    end.

free_slot(0, State) ->
    State;
free_slot(Slot, #state{freed = Freed} = State) ->
    State#state{freed = queue:in(Slot, Freed)}.

put_socket(Id, Socket, #state{sockets = Sockets} = State) ->
    State#state{sockets = Sockets#{Id => Socket}}.

%%
%% Ending
%%

owner_exit(Id, Monitor, Reason, State) ->
    case State#state.sockets of
        #{Id := #socket{monitor = Monitor, gone = Gone}} ->
            %% Not called: what is queued is flushed with nobody waiting.
            Gone =:= no andalso cast({close, Id}, State),
            remove(Id, Reason, State);
        #{} ->
            State
    end.

gone(Id, Reason, #state{sockets = Sockets} = State) ->
    case Sockets of
        #{Id := #socket{held = none}} ->
            remove(Id, Reason, State);
        #{Id := #socket{slot = Slot} = Socket} ->
            %% Its new owner has still to be told.
            gentcp_credit:window(State#state.credit, Slot, Id, 0),
            put_socket(Id, Socket#socket{gone = {gone, Reason}}, State);
        #{} ->
            State#state{early = maps:remove(Id, State#state.early)}
    end.

remove(Id, Reason, #state{sockets = Sockets, credit = Credit} = State) ->
    {#socket{slot = Slot, monitor = Monitor} = Socket, Rest} = maps:take(Id, Sockets),
    gentcp_credit:close(Credit, Slot),
    gentcp_ahead:end_socket(State#state.loans, Id),
    true = erlang:demonitor(Monitor, [flush]),
    Watchers = lists:foldl(fun(Ref, Acc) -> down(Ref, Socket, Reason, Acc) end,
                           State#state.watchers, Socket#socket.watchers),
    free_slot(Slot, State#state{sockets = Rest, watchers = Watchers}).

down(Ref, #socket{term = S}, Reason, Watchers) ->
    {{_Id, Pid, Monitor}, Rest} = maps:take(Ref, Watchers),
    true = erlang:demonitor(Monitor, [flush]),
    Pid ! {'DOWN', Ref, port, S, Reason},
    Rest.

%%
%% Questions
%%

answer({owner, Id}, State) ->
    case State#state.sockets of
        #{Id := #socket{owner = Owner, gone = no}} -> {{ok, Owner}, State};
        #{} -> {gone, State}
    end;
answer({info, Id}, State) ->
    case State#state.sockets of
        #{Id := #socket{owner = Owner, gone = no} = Socket} ->
            {{ok, Owner, erts_debug:flat_size(Socket) * erlang:system_info(wordsize)}, State};
        #{} ->
            {gone, State}
    end;
answer({transfer, Id, From, To}, State) ->
    case State#state.sockets of
        #{Id := #socket{gone = {gone, _}}} -> {gone, State};
        #{Id := #socket{owner = To}} -> {is_owner, State};
        #{Id := #socket{owner = From} = Socket} ->
            %% What is on loan is for the new owner.
            gentcp_ahead:is_open(State#state.loans, Socket#socket.slot)
                andalso ask(Id, none, State),
            {ok, put_socket(Id, Socket#socket{held = []}, State)};
        #{Id := _} -> {not_owner, State};
        #{} -> {gone, State}
    end;
answer({commit, Id, To}, State) ->
    case State#state.sockets of
        #{Id := #socket{monitor = Old} = Socket} ->
            true = erlang:demonitor(Old, [flush]),
            Monitor = erlang:monitor(process, To, [{tag, {owner, Id}}]),
            tell_kin(Id, To, State),
            {ok, end_transfer(Id, Socket#socket{owner = To, monitor = Monitor}, State)};
        #{} ->
            {gone, State}
    end;
answer({abort, Id}, State) ->
    case State#state.sockets of
        #{Id := Socket} -> {ok, end_transfer(Id, Socket, State)};
        #{} -> {gone, State}
    end;
answer({monitor, Id, Pid, Ref}, #state{watchers = Watchers} = State) ->
    case State#state.sockets of
        #{Id := #socket{watchers = Refs, gone = no} = Socket} ->
            Monitor = erlang:monitor(process, Pid, [{tag, {watcher, Ref}}]),
            {ok, put_socket(Id, Socket#socket{watchers = [Ref | Refs]},
                            State#state{watchers = Watchers#{Ref => {Id, Pid, Monitor}}})};
        #{} ->
            {gone, State}
    end;
answer({cancel_monitor, Ref}, #state{watchers = Watchers} = State) ->
    case maps:take(Ref, Watchers) of
        {{Id, _Pid, Monitor}, Rest} ->
            true = erlang:demonitor(Monitor, [flush]),
            #{Id := #socket{watchers = Refs} = Socket} = State#state.sockets,
            {true, put_socket(Id, Socket#socket{watchers = lists:delete(Ref, Refs)},
                              State#state{watchers = Rest})};
        error ->
            {false, State}
    end;
answer(sockets, #state{sockets = Sockets} = State) ->
    {[S || {_Id, #socket{term = S, gone = no}} <- lists:sort(maps:to_list(Sockets))], State};
answer(info, #state{port = Port, os_pid = OsPid, sockets = Sockets} = State) ->
    {#{port => Port, os_pid => OsPid, sockets => map_size(Sockets),
       received => octets(Port, input), sent => octets(Port, output)}, State}.

octets(Port, Direction) ->
    case erlang:port_info(Port, Direction) of
        {_, Octets} -> Octets;
        undefined -> 0
    end.

end_transfer(Id, #socket{owner = Owner, held = Held, gone = Gone} = Socket, State) ->
    lists:foreach(fun(Message) -> Owner ! Message end, lists:reverse(Held)),
    State1 = put_socket(Id, Socket#socket{held = none}, State),
    case Gone of
        no -> State1;
        {gone, Reason} -> remove(Id, Reason, State1)
    end.

%%
%% The end of the port program
%%

catch_close(Port) ->
    try port_close(Port)
    catch error:badarg -> true
    end.

-spec port_exit(term(), #state{}) -> no_return().
port_exit(Reason, #state{os_pid = OsPid, sockets = Sockets} = State) ->
    ?LOG_ERROR("gentcp: port program ~b ended (~tp), ~b sockets are closed",
               [OsPid, Reason, map_size(Sockets)]),
    erlang:monotonic_time(millisecond) - State#state.started < ?PROBATION
        orelse gentcp_sup:replace(State#state.name),
    stop({shutdown, {port_program, Reason}}, State).

%% Owners that wait for messages get those of a connection that failed: an
%% orderly end could be taken for the end of the data. Callers that wait for
%% an answer notice the end of this process.
-spec stop(term(), #state{}) -> no_return().
stop(Reason, #state{port = Port, sockets = Sockets, credit = Credit} = State) ->
    _ = persistent_term:erase({?MODULE, Port}),
    Activities = [{Socket, gentcp_credit:activity(Credit, Slot, Id)}
                  || {Id, #socket{slot = Slot} = Socket} <- lists:sort(maps:to_list(Sockets))],
    lists:foreach(fun(#socket{slot = Slot}) -> gentcp_credit:close(Credit, Slot) end,
                  maps:values(Sockets)),
    true = catch_close(Port),
    lists:foreach(fun({Socket, Activity}) -> bury(Socket, Activity, State) end, Activities),
    true = unregister(State#state.name),
    refuse_openings(),
    exit(Reason).

%% Whoever came too late goes to the next router.
refuse_openings() ->
    receive
        {open, _Caller, Alias, _Activity, _Command} ->
            tell(Alias, {error, noproc}),
            refuse_openings()
    after 0 ->
        ok
    end.

bury(#socket{term = S, kind = Kind, owner = Owner, held = Held, watchers = Refs} = Socket,
     Activity, State) ->
    Held =:= none orelse
        lists:foreach(fun(Message) -> Owner ! Message end, lists:reverse(Held)),
    Kind =:= listener orelse Activity =:= passive orelse
        begin
            Owner ! {tcp_error, S, econnaborted},
            Owner ! {tcp_closed, S}
        end,
    lists:foldl(fun(Ref, Watchers) -> down(Ref, Socket, econnaborted, Watchers) end,
                State#state.watchers, Refs).

%%
%% For sys
%%

-spec system_continue(pid(), [sys:dbg_opt()], #state{}) -> no_return().
system_continue(_Parent, _Debug, State) ->
    loop(State).

-spec system_terminate(term(), pid(), [sys:dbg_opt()], #state{}) -> no_return().
system_terminate(Reason, _Parent, _Debug, State) ->
    stop(Reason, State).

-spec system_code_change(#state{}, module(), term(), term()) -> {ok, #state{}}.
system_code_change(State, _Module, _OldVsn, _Extra) ->
    {ok, State}.

-spec system_get_state(#state{}) -> {ok, #state{}}.
system_get_state(State) ->
    {ok, State}.

-spec system_replace_state(fun((#state{}) -> #state{}), #state{}) ->
          {ok, #state{}, #state{}}.
system_replace_state(Replace, State) ->
    State1 = Replace(State),
    {ok, State1, State1}.
