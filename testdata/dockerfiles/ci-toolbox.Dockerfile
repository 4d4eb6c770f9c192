# check=skip=SecretsUsedInArgOrEnv;error=false
ARG UBUNTU=ubuntu:22.04
FROM hashicorp/terraform:1.9 AS terraform
FROM bitnami/kubectl:1.31 AS kubectl
FROM alpine/helm:3.16.1 AS helm

FROM $UBUNTU
ARG DEBIAN_FRONTEND=noninteractive
ARG USERNAME=vscode
ARG USER_UID=1000
ARG USER_GID=$USER_UID
COPY --from=terraform /bin/terraform /usr/local/bin/
COPY --from=kubectl /opt/bitnami/kubectl/bin/kubectl /usr/local/bin/
COPY --from=helm /usr/bin/helm /usr/local/bin/
RUN groupadd --gid "$USER_GID" "$USERNAME" \
    && useradd --uid "$USER_UID" --gid "$USER_GID" -m "$USERNAME" \
    && apt-get update \
    && apt-get install -y sudo \
    && echo "$USERNAME" ALL=\(root\) NOPASSWD:ALL > "/etc/sudoers.d/$USERNAME" \
    && chmod 0440 "/etc/sudoers.d/$USERNAME"
# check=skip=UndefinedVar
RUN printf '%s\n' \
    "alias k=kubectl" \
    "alias tf=terraform" > /etc/profile.d/aliases.sh
ENV API_TOKEN_FILE=/run/secrets/token KUBE_EDITOR="vim -u NONE" PS1='\u@\h:\w\$ '
USER $USERNAME
CMD ["/bin/bash"]
