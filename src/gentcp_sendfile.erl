%% @doc Sends a file that this node has opened.
%%
%% The port program opens the file once more, by the name that Linux has for a
%% descriptor of another process. Where there is no such name the node reads
%% the file and passes it on. Neither adds a packet header.
%% @private
-module(gentcp_sendfile).

-export([send/5]).

-include_lib("kernel/include/file.hrl").

-define(CHUNK_SIZE, 256 * 1024).

-type call() :: fun((gentcp_proto:command()) -> ok | {ok, term()} | {error, term()}).

%% @doc `Length' 0 is up to the end of the file.
-spec send(call(), gentcp_proto:id(), file:fd(), non_neg_integer(), non_neg_integer()) ->
          {ok, non_neg_integer()} | {error, atom()}.
send(Call, Id, Fd, Offset, Length) ->
    case path(Fd) of
        {ok, Path} ->
            case Call({sendfile, Id, Path, Offset, Length}) of
                {error, Reason} when Reason =:= enoent; Reason =:= eacces;
                                     Reason =:= eperm; Reason =:= enotdir ->
                    send_chunks(Call, Id, Fd, Offset, Length, 0);
                {error, closed} ->
                    {error, closed};
                Result ->
                    Result
            end;
        none ->
            send_chunks(Call, Id, Fd, Offset, Length, 0);
        {error, _} = Error ->
            Error
    end.

%% Modules of OTP for raw files other than prim_file hold one of that, or
%% something that no descriptor shows, as a compressed file does.
path(#file_descriptor{module = prim_file} = Fd) ->
    try prim_file:get_handle(Fd) of
        <<Number:32/native-signed>> ->
            {ok, unicode:characters_to_binary(
                   ["/proc/", os:getpid(), "/fd/", integer_to_list(Number)])};
        _ ->
            none
    catch
        error:_ -> {error, badarg}
    end;
path(#file_descriptor{module = raw_file_io_list, data = #file_descriptor{} = Fd}) ->
    path(Fd);
path(#file_descriptor{}) ->
    none.

send_chunks(Call, Id, Fd, Offset, Length, Sent) ->
    Size = case Length of
               0 -> ?CHUNK_SIZE;
               _ -> min(?CHUNK_SIZE, Length - Sent)
           end,
    case Size > 0 andalso file:pread(Fd, Offset + Sent, Size) of
        false ->
            {ok, Sent};
        eof ->
            {ok, Sent};
        {ok, Data} ->
            Chunk = iolist_to_binary(Data),
            case Call({sendfile_part, Id, Chunk}) of
                ok -> send_chunks(Call, Id, Fd, Offset, Length, Sent + byte_size(Chunk));
                Error -> Error
            end;
        Error ->
            Error
    end.
