%% @doc TCP sockets that live in a port program, with the functions of
%% `gen_tcp' and those of `inet' for a socket.
%%
%% == Three ways to use it ==
%%
%% <ul>
%% <li>`gentcp:install()': from then on `gen_tcp:listen' and `gen_tcp:connect'
%% of this node open their sockets here, whatever family option they are given.
%% Nothing else in a program changes.</li>
%% <li>`gen_tcp:connect(Host, Port, [{tcp_module, gentcp_tcp} | Opts])', with
%% `gentcp_tcp6' or `gentcp_local' for the other families, for single
%% sockets.</li>
%% <li>The functions of this module in place of those of `gen_tcp' and `inet',
%% also where a module is asked for: `{cb_info, {gentcp, tcp, tcp_closed,
%% tcp_error, tcp_passive}}' is a transport for `ssl'.</li>
%% </ul>
%%
%% Functions that are named as in `gen_tcp' and `inet' take and return what those
%% do; their manual pages hold here too. Where they return `{error, closed}' or
%% `{error, einval}' for a closed socket, so do these.
%%
%% == The socket ==
%%
%% A socket is a tuple, `{'$inet', gentcp, Handle}', which makes `gen_tcp',
%% `inet' and `file:sendfile' come here with it. It is no port: `link/1',
%% `is_port/1' and `erlang:port_info/1' do not work on it, and no `EXIT' signal
%% comes from it. It closes when its owner exits, as a port would.
-module(gentcp).

%% gen_tcp.
-export([connect/2, connect/3, connect/4, listen/2, accept/1, accept/2, fdopen/2]).
-export([send/2, recv/2, recv/3, unrecv/2, shutdown/2, close/1, controlling_process/2]).

%% inet.
-export([setopts/2, getopts/2, getstat/1, getstat/2, info/1]).
-export([peername/1, peernames/1, sockname/1, socknames/1, port/1, socket_to_list/1]).
-export([monitor/1, cancel_monitor/1]).

%% file.
-export([sendfile/4]).

%% The node.
-export([start/0, install/0, install/1, uninstall/0, installed/0, i/0, which_sockets/0, port_info/0, port_info/1]).

-export_type([socket/0, port_info/0, install_options/0]).

-include_lib("kernel/include/file.hrl").

-type socket() :: gentcp_port:socket().

-type install_options() :: gentcp_switch:options().

-type port_info() :: #{
    port => port(),
    os_pid := non_neg_integer() | undefined,
    sockets := non_neg_integer(),
    received := non_neg_integer(),
    sent := non_neg_integer()
}.
%% `received' and `sent' are octets of the pipe, commands and messages
%% included, seen from the node.

-define(SOCKET(Port, Id, Slot), {'$inet', ?MODULE, {Port, Id, Slot}}).

%% The most that is sent without an answer.
-define(MAX_UNCALLED, 128 * 1024).

%% How much unrecv puts into one frame.
-define(UNRECV_SIZE, 32 * 1024 * 1024).

%% Half a century is as good as for ever, and no timer overflows.
-define(MAX_TIMEOUT, 50 * 365 * 24 * 3600 * 1000).

-define(STATISTICS, [recv_oct, recv_cnt, recv_max, recv_avg, recv_dvi,
                     send_oct, send_cnt, send_max, send_avg, send_pend]).

%%
%% gen_tcp: opening
%%

%% @equiv connect(Address, Opts, infinity)
-spec connect(socket:sockaddr_in() | socket:sockaddr_in6(), [term()]) ->
          {ok, socket()} | {error, atom()}.
connect(Address, Opts) ->
    connect(Address, Opts, infinity).

%% @doc As `gen_tcp:connect/3'.
-spec connect(inet:socket_address() | inet:hostname(), inet:port_number() | atom(), [term()]) ->
                     {ok, socket()} | {error, atom()};
             (socket:sockaddr_in() | socket:sockaddr_in6(), [term()], timeout()) ->
                     {ok, socket()} | {error, atom()}.
connect(Address, Opts, Timeout) when is_map(Address) ->
    gen_tcp:connect(Address, gentcp_open:options(Opts, Address), Timeout);
connect(Address, Port, Opts) ->
    gen_tcp:connect(Address, Port, gentcp_open:options(Opts, Address)).

%% @doc As `gen_tcp:connect/4'.
-spec connect(inet:socket_address() | inet:hostname(), inet:port_number() | atom(), [term()],
              timeout()) -> {ok, socket()} | {error, atom()}.
connect(Address, Port, Opts, Timeout) ->
    gen_tcp:connect(Address, Port, gentcp_open:options(Opts, Address), Timeout).

%% @doc As `gen_tcp:listen/2'.
-spec listen(inet:port_number() | atom(), [term()]) -> {ok, socket()} | {error, atom()}.
listen(Port, Opts) ->
    gen_tcp:listen(Port, gentcp_open:options(Opts, undefined)).

%% @doc As `gen_tcp:fdopen/2': makes a socket of a descriptor of this node.
-spec fdopen(non_neg_integer(), [term()]) -> {ok, socket()} | {error, atom()}.
fdopen(Fd, Opts) ->
    gen_tcp:fdopen(Fd, gentcp_open:options(Opts, undefined)).

%% @equiv accept(Listener, infinity)
-spec accept(socket()) -> {ok, socket()} | {error, atom()}.
accept(Listener) ->
    accept(Listener, infinity).

%% @doc As `gen_tcp:accept/2'. A negative timeout is `infinity'.
-spec accept(socket(), timeout()) -> {ok, socket()} | {error, atom()}.
accept(?SOCKET(Port, Id, _), Timeout) when Timeout =:= infinity; is_integer(Timeout) ->
    case gentcp_port:lookup(Port) of
        {Router, _, _} ->
            Time = timeout(Timeout),
            %% The connection is on hold until the router has seen that its
            %% acceptor lives, so that a dead one takes none with it.
            gentcp_call:accept(Router, {active, infinity}, {accept, Id, Time, hold}, Time);
        closed ->
            {error, closed}
    end;
accept(?SOCKET(_, _, _) = S, Timeout) ->
    closed_or_raise(S, function_clause, [S, Timeout]).

%%
%% gen_tcp: data
%%

%% @doc As `gen_tcp:send/2'.
%%
%% Returns at once while the socket has room, as far as that is known here;
%% else the port program answers when there is some, or when `send_timeout' is
%% over.
-spec send(socket(), iodata()) -> ok | {error, closed | timeout | inet:posix()}.
send(?SOCKET(Port, Id, Slot) = S, Data) ->
    case gentcp_port:lookup(Port) of
        {_, Credit, _} = Shared ->
            try iolist_size(Data) of
                Size ->
                    case Size =< ?MAX_UNCALLED
                        andalso gentcp_credit:reserve(Credit, Slot, Id, Size) of
                        true -> send_uncalled(S, Credit, Size, gentcp_proto:send(Id, Size, Data));
                        false -> gentcp_send:send(S, Shared, Size, Data)
                    end
            catch
                error:badarg -> closed_or(S, {error, einval})
            end;
        closed ->
            {error, closed}
    end.

send_uncalled(?SOCKET(Port, Id, Slot) = S, Credit, Size, Frame) ->
    try port_command(Port, Frame, [nosuspend]) of
        true ->
            ok;
        false ->
            Timeout = gentcp_credit:send_timeout(Credit, Slot, Id),
            gentcp_send:write(S, Credit, Frame, Size, Timeout)
    catch
        error:badarg -> {error, closed}
    end.

%% @equiv recv(S, Length, infinity)
-spec recv(socket(), non_neg_integer()) -> {ok, term()} | {error, atom()}.
recv(S, Length) ->
    recv(S, Length, infinity).

%% @doc As `gen_tcp:recv/3'. A negative timeout is `infinity'.
-spec recv(socket(), non_neg_integer(), timeout()) -> {ok, term()} | {error, atom()}.
recv(?SOCKET(Port, Id, Slot) = S, Length, Timeout)
  when is_integer(Length), Length >= 0, Timeout =:= infinity;
       is_integer(Length), Length >= 0, is_integer(Timeout) ->
    case gentcp_port:lookup(Port) of
        {_, _, Loans} = Shared ->
            case Length =:= 0 andalso gentcp_ahead:take(Loans, Slot, Id, any) of
                {Packet, Report} ->
                    report(Port, Id, Report),
                    {ok, Packet};
                _NoneOrFalse ->
                    gentcp_recv:recv(S, Shared, Length, timeout(Timeout))
            end;
        closed ->
            {error, closed}
    end;
recv(?SOCKET(_, _, _) = S, Length, Timeout) ->
    closed_or_raise(S, function_clause, [S, Length, Timeout]).

%% Reports to the port program that packets of a loan have been taken, if it is time. It is only about room
%% for more, so nobody waits for a full pipe with it: the next command that asks reports it again.
report(_Port, _Id, none) ->
    ok;
report(Port, Id, {taken, Loan, Count}) ->
    try port_command(Port, gentcp_proto:cast({taken, Id, Loan, Count}), [nosuspend]) of
        _WrittenOrNot -> ok
    catch
        error:badarg -> ok
    end.

%% @doc As `gen_tcp:unrecv/2': puts data back in front of the input.
-spec unrecv(socket(), iodata()) -> ok | {error, atom()}.
unrecv(?SOCKET(_, _, _) = S, Data) ->
    try iolist_to_binary(Data) of
        Binary -> unrecv_parts(S, Binary)
    catch
        error:badarg -> closed_or(S, {error, einval})
    end.

%% What does not fit in a frame goes in parts, the last of them first.
unrecv_parts(?SOCKET(_, Id, _) = S, Data) when byte_size(Data) > ?UNRECV_SIZE ->
    HeadSize = byte_size(Data) - ?UNRECV_SIZE,
    <<Head:HeadSize/binary, Tail/binary>> = Data,
    case ask_input(S, {unrecv, Id, Tail}) of
        ok -> unrecv_parts(S, Head);
        Error -> Error
    end;
unrecv_parts(?SOCKET(_, Id, _) = S, Data) ->
    ask_input(S, {unrecv, Id, Data}).

%% @doc As `gen_tcp:shutdown/2'.
-spec shutdown(socket(), read | write | read_write) -> ok | {error, atom()}.
shutdown(?SOCKET(Port, Id, _), How) when How =:= read; How =:= write; How =:= read_write ->
    call(Port, {shutdown, Id, How});
shutdown(?SOCKET(_, _, _) = S, How) ->
    closed_or_raise(S, function_clause, [S, How]).

%% @doc As `gen_tcp:close/1'. Waits as long as that does for pending output.
-spec close(socket()) -> ok.
close(?SOCKET(Port, Id, _) = S) ->
    case gentcp_port:lookup(Port) of
        {Router, _, _} -> gentcp_call:close(Port, Router, Id);
        closed -> ok
    end,
    receive
        {tcp_closed, S} -> ok
    after 0 ->
        ok
    end.

%% @doc As `gen_tcp:controlling_process/2'.
%%
%% The router keeps the messages of the socket while those that are in the
%% mailbox of the caller already are sent on, so the new owner gets all of them in
%% order.
-spec controlling_process(socket(), pid()) -> ok | {error, closed | not_owner | badarg}.
controlling_process(?SOCKET(_, Id, _) = S, NewOwner) when is_pid(NewOwner) ->
    case ask(S, {transfer, Id, self(), NewOwner}) of
        ok ->
            case {forward(S, NewOwner, false), is_alive(NewOwner)} of
                {false, true} ->
                    answer(ask(S, {commit, Id, NewOwner}));
                {true, _} ->
                    %% The connection has ended. What stock does here is
                    %% to keep the owner and leave the socket passive.
                    _ = setopts(S, [{active, false}]),
                    _ = ask(S, {abort, Id}),
                    ok;
                {false, false} ->
                    _ = setopts(S, [{active, false}]),
                    _ = ask(S, {abort, Id}),
                    {error, badarg}
            end;
        is_owner ->
            ok;
        Other ->
            answer(Other)
    end;
controlling_process(?SOCKET(_, _, _) = S, NewOwner) ->
    closed_or_raise(S, function_clause, [S, NewOwner]).

answer(ok) -> ok;
answer(not_owner) -> {error, not_owner};
answer(gone) -> {error, closed};
answer(closed) -> {error, closed}.

is_alive(Pid) ->
    node(Pid) =:= node() andalso is_process_alive(Pid).

%% The same three shapes as inet:tcp_controlling_process/2 sends on.
forward(S, NewOwner, IsClosed) ->
    receive
        {tcp, S, _} = Message ->
            NewOwner ! Message,
            forward(S, NewOwner, IsClosed);
        {tcp_closed, S} = Message ->
            NewOwner ! Message,
            forward(S, NewOwner, true);
        {S, {data, _}} = Message ->
            NewOwner ! Message,
            forward(S, NewOwner, IsClosed)
    after 0 ->
        IsClosed
    end.

%%
%% inet: options and state
%%

%% @doc As `inet:setopts/2'.
-spec setopts(socket(), [term()]) -> ok | {error, einval | gentcp_fault:bad_fault()}.
setopts(?SOCKET(Port, Id, Slot) = S, [{active, once}] = Options) ->
    case gentcp_port:lookup(Port) of
        {_, _, Loans} = Shared ->
            case gentcp_ahead:take(Loans, Slot, Id, self()) of
                {Packet, Report} ->
                    %% Armed, and passive again after the packet that was there.
                    arrive(),
                    self() ! message(S, Packet),
                    report(Port, Id, Report);
                none ->
                    setopts_call(S, Shared, Options)
            end;
        closed ->
            {error, einval}
    end;
setopts(?SOCKET(Port, _, _) = S, Opts) ->
    Options = gentcp_proto:options(Opts),
    case gentcp_port:lookup(Port) of
        {_, _, _} = Shared -> setopts_call(S, Shared, Options);
        closed -> {error, einval}
    end.

setopts_call(?SOCKET(_, Id, Slot) = S, {_, Credit, _}, Options) ->
    case ask_input(S, {setopts, Id, Options}) of
        ok ->
            case lists:keymember(send_timeout, 1, Options) of
                true ->
                    {_, Timeout} = gentcp_credit:requested(Options, {passive, infinity}),
                    gentcp_credit:set_send_timeout(Credit, Slot, Id, Timeout);
                false ->
                    ok
            end;
        {error, {bad_fault, _, _}} = Error ->
            Error;
        {error, _} ->
            {error, einval}
    end.

%% Has all messages in the mailbox that were sent to this process before now. One to oneself
%% would otherwise overtake those that are still on their way, since a mailbox `off_heap' has an
%% entrance for each of several senders.
arrive() ->
    Ref = make_ref(),
    receive Ref -> ok
    after 0 -> ok
    end.

%% The message for a packet that was on loan.
message(S, Data) when is_binary(Data) -> {tcp, S, Data};
message(S, Item) -> {http, S, Item}.

%% @doc As `inet:getopts/2'.
-spec getopts(socket(), [term()]) -> {ok, [term()]} | {error, einval}.
getopts(?SOCKET(_, Id, _) = S, Names) when is_list(Names) ->
    try ask_input(S, {getopts, Id, gentcp_proto:options(Names)}) of
        {ok, Values} ->
            {ok, [case Value of
                      {netns, Name} -> {netns, binary_to_filename(Name)};
                      _ -> Value
                  end || Value <- Values]};
        {error, _} ->
            {error, einval}
    catch
        %% An improper list.
        error:{bad_generator, _} -> {error, einval}
    end.

binary_to_filename(Binary) ->
    case unicode:characters_to_list(Binary, file:native_name_encoding()) of
        Name when is_list(Name) -> Name;
        _ -> Binary
    end.

%% @equiv getstat(S, [recv_oct, recv_cnt, recv_max, recv_avg, recv_dvi,
%%                    send_oct, send_cnt, send_max, send_avg, send_pend])
-spec getstat(socket()) -> {ok, [{inet:stat_option(), integer()}]} | {error, einval}.
getstat(S) ->
    getstat(S, ?STATISTICS).

%% @doc As `inet:getstat/2'.
-spec getstat(socket(), [inet:stat_option()]) ->
          {ok, [{inet:stat_option(), integer()}]} | {error, einval}.
getstat(?SOCKET(_, Id, _) = S, Names) when is_list(Names) ->
    case ask_input(S, {getstat, Id, Names}) of
        {ok, _} = Result -> Result;
        {error, _} -> {error, einval}
    end.

%% @doc As `inet:info/1'.
-spec info(socket()) -> map().
info(?SOCKET(_, Id, _) = S) ->
    case {ask_input(S, {info, Id}), ask(S, {info, Id})} of
        {{ok, Info}, {ok, Owner, Memory}} ->
            maps:merge(#{owner => Owner, links => [Owner], memory => Memory, monitors => []}, Info);
        _ ->
            #{states => [closed]}
    end.

%%
%% inet: names
%%

%% @doc As `inet:peername/1'.
-spec peername(socket()) ->
          {ok, {inet:ip_address(), inet:port_number()} | inet:returned_non_ip_address()}
        | {error, atom()}.
peername(?SOCKET(Port, Id, _)) ->
    einval_if_closed(call_owned(Port, Id, {peername, Id})).

%% @doc As `inet:sockname/1'.
-spec sockname(socket()) ->
          {ok, {inet:ip_address(), inet:port_number()} | inet:returned_non_ip_address()}
        | {error, atom()}.
sockname(?SOCKET(Port, Id, _)) ->
    einval_if_closed(call_owned(Port, Id, {sockname, Id})).

%% @doc As `inet:peernames/1'.
-spec peernames(socket()) -> {ok, [term()]} | {error, atom()}.
peernames(S) ->
    case {peername(S), socknames(S)} of
        {{ok, Name}, _} -> {ok, [Name]};
        {{error, _}, {error, exbadport} = NoDescriptor} -> NoDescriptor;
        {Error, _} -> Error
    end.

%% @doc As `inet:socknames/1'.
-spec socknames(socket()) -> {ok, [term()]} | {error, atom()}.
socknames(S) ->
    case sockname(S) of
        {ok, Name} -> {ok, [Name]};
        {error, ebadf} -> {error, exbadport};
        Error -> Error
    end.

%% @doc As `inet:port/1'. A local socket has its path for it.
-spec port(socket()) -> {ok, inet:port_number() | binary()} | {error, atom()}.
port(S) ->
    case sockname(S) of
        {ok, {_, Port}} -> {ok, Port};
        Error -> Error
    end.

%% @doc As `inet:socket_to_list/1'.
-spec socket_to_list(socket()) -> string().
socket_to_list(?SOCKET(Port, Id, _)) ->
    lists:droplast(erlang:port_to_list(Port)) ++ "." ++ integer_to_list(Id) ++ ">".

%%
%% inet: monitors
%%

%% @doc As `inet:monitor/1': when the socket has closed, a message
%% `{'DOWN', Ref, port, Socket, Reason}' comes.
-spec monitor(socket()) -> reference().
monitor(?SOCKET(_, Id, _) = S) ->
    Ref = make_ref(),
    case ask(S, {monitor, Id, self(), Ref}) of
        ok -> ok;
        _Gone -> self() ! {'DOWN', Ref, port, S, noproc}, ok
    end,
    Ref;
monitor(S) ->
    erlang:error(badarg, [S]).

%% @doc As `inet:cancel_monitor/1': whether the monitor was still active.
-spec cancel_monitor(reference()) -> boolean().
cancel_monitor(Ref) when is_reference(Ref) ->
    lists:any(fun(Router) -> gentcp_call:ask(Router, {cancel_monitor, Ref}) =:= true end,
              gentcp_sup:routers());
cancel_monitor(Ref) ->
    erlang:error(badarg, [Ref]).

%%
%% file
%%

%% @doc What `file:sendfile/5' calls: sends a part of a raw file.
-spec sendfile(socket(), file:fd(), integer(), integer()) ->
          {ok, non_neg_integer()} | {error, atom()}.
sendfile(?SOCKET(Port, Id, _) = S, #file_descriptor{} = Fd, Offset, Length) ->
    case {gentcp_port:lookup(Port), ask(S, {owner, Id})} of
        {_, {ok, Owner}} when Owner =/= self() -> {error, not_owner};
        {_, {ok, _}} when Offset < 0; Length < 0 -> {error, einval};
        {{Router, _, _}, {ok, _}} -> gentcp_sendfile:send({Port, Router}, Id, Fd, Offset, Length);
        _Gone -> {error, einval}
    end;
sendfile(?SOCKET(_, _, _), _Fd, _Offset, _Length) ->
    {error, badarg}.

%%
%% The node
%%

%% @doc For `erl -s gentcp': {@link install/0}, and a node that cannot be
%% switched does not start.
%%
%% A command line is carried out from left to right, and that of a script may open
%% sockets before it comes to what was appended. The variable `ERL_AFLAGS' puts `-s gentcp' in front.
-spec start() -> ok.
start() ->
    case install() of
        ok -> ok;
        {error, Reason} -> erlang:error({gentcp_not_installed, Reason})
    end.

%% @equiv install(#{})
-spec install() -> ok | {error, term()}.
install() ->
    install(#{}).

%% @doc Opens every socket of `gen_tcp' in this node on gentcp from now on.
%% Sockets that are open stay what they are.
%%
%% It loads modules of its own under the names `inet_tcp', `inet6_tcp' and
%% `local_tcp' of OTP, which forward to gentcp or to the stock code; they stay until the node
%% ends. Nothing is written to disk. A line in the log, at `notice', says that it is
%% done. What keeps it from being done is logged as an error and returned.
-spec install(install_options()) -> ok | {error, term()}.
install(Options) ->
    gentcp_switch:on(Options).

%% @doc Opens sockets on the stock driver again. Sockets that are open stay what
%% they are.
-spec uninstall() -> ok.
uninstall() ->
    gentcp_switch:off().

%% @doc Whether `gen_tcp' opens its sockets on gentcp.
-spec installed() -> boolean().
installed() ->
    gentcp_switch:installed().

%% @doc Prints the sockets as `inet:i/0' prints those of the stock driver.
-spec i() -> ok.
i() ->
    gentcp_table:print(which_sockets()).

%% @doc All sockets of the node.
-spec which_sockets() -> [socket()].
which_sockets() ->
    lists:append([Sockets || Router <- gentcp_sup:routers(),
                             Sockets <- [gentcp_call:ask(Router, sockets)],
                             is_list(Sockets)]).

%% @doc The process id of the port program, and sums of what goes through it.
-spec port_info() -> port_info().
port_info() ->
    Infos = port_info(all),
    Sum = fun(Key) -> lists:sum([maps:get(Key, Info) || Info <- Infos]) end,
    #{os_pid => case Infos of [#{os_pid := OsPid} | _] -> OsPid; [] -> undefined end,
      sockets => Sum(sockets), received => Sum(received), sent => Sum(sent)}.

%% @doc The same for each port program of the node.
-spec port_info(all) -> [port_info()].
port_info(all) ->
    [Info || Router <- gentcp_sup:routers(),
             Info <- [gentcp_call:ask(Router, info)], is_map(Info)].

%%
%% To the port program
%%

%% A call that asks for the input of the socket, or changes how it is read, ends the
%% loan of packets.
ask_input(?SOCKET(Port, Id, _) = S, Command) ->
    case gentcp_port:lookup(Port) of
        {_, _, _} = Shared ->
            case gentcp_port:is_orphan(Port, Id) of
                true -> {error, closed};
                false -> gentcp_call:ask_input(S, Shared, Command, infinity)
            end;
        closed ->
            {error, closed}
    end.

%% A question about a socket, which is closed once its owner is dead.
call_owned(Port, Id, Command) ->
    case gentcp_port:is_orphan(Port, Id) of
        true -> {error, closed};
        false -> call(Port, Command)
    end.

call(Port, Command) ->
    case gentcp_port:lookup(Port) of
        {Router, _, _} -> gentcp_call:call(Port, Router, Command, infinity);
        closed -> {error, closed}
    end.

ask(?SOCKET(Port, _, _), Question) ->
    case gentcp_port:lookup(Port) of
        {Router, _, _} -> gentcp_call:ask(Router, Question);
        closed -> closed
    end.

timeout(infinity) -> infinity;
timeout(Timeout) when Timeout < 0 -> infinity;
timeout(Timeout) -> min(Timeout, ?MAX_TIMEOUT).

einval_if_closed({error, closed}) -> {error, einval};
einval_if_closed(Result) -> Result.

%% Whether a socket is closed is looked at before its arguments are.
closed_or(?SOCKET(_, Id, _) = S, Otherwise) ->
    case ask(S, {owner, Id}) of
        {ok, _} -> Otherwise;
        _Gone -> {error, closed}
    end.

closed_or_raise(S, Reason, Arguments) ->
    case closed_or(S, raise) of
        raise -> erlang:error(Reason, Arguments);
        Closed -> Closed
    end.
