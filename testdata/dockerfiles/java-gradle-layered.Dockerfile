ARG JDK=21
ARG JRE_IMAGE=eclipse-temurin:${JDK}-jre-alpine

FROM gradle:8.10-jdk${JDK} AS build
USER gradle
WORKDIR /home/gradle/src
COPY --chown=gradle:gradle settings.gradle.kts build.gradle.kts gradle.properties ./
COPY --chown=gradle:gradle gradle gradle
RUN --mount=type=cache,target=/home/gradle/.gradle,uid=1000,gid=1000,mode=0755 \
    gradle --no-daemon dependencies > /dev/null
COPY --chown=gradle:gradle src src
RUN --mount=type=cache,target=/home/gradle/.gradle,uid=1000,gid=1000 gradle --no-daemon bootJar

FROM ${JRE_IMAGE} AS layers
WORKDIR /layers
COPY --from=build /home/gradle/src/build/libs/*.jar application.jar
RUN java -Djarmode=layertools -jar application.jar extract

FROM ${JRE_IMAGE}
RUN addgroup -S spring && adduser -S spring -G spring
USER spring:spring
WORKDIR /app
COPY --from=layers /layers/dependencies/ ./
COPY --from=layers /layers/spring-boot-loader/ ./
COPY --from=layers /layers/snapshot-dependencies/ ./
COPY --from=layers /layers/application/ ./
EXPOSE 8080
ENTRYPOINT [ "sh", "-c", "exec java ${JAVA_OPTS} org.springframework.boot.loader.launch.JarLauncher \"$@\"", "--" ]
